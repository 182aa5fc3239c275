#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <atomic>
#include <list>
#include <memory>
#include <vector>

#include "base/http/server.hpp"
#include "base/http/watchdog.hpp"

namespace postern::http {

class Connection;

/// What a server keeps on one loop. Touched on that loop only.
struct Shard {
  explicit Shard(boost::asio::io_context& on)
      : loop(on), watchdog(std::make_shared<Watchdog>(on.get_executor())) {}

  boost::asio::io_context& loop;
  std::shared_ptr<Watchdog> watchdog;
  std::list<Connection*> connections;
};

/// Shared by the server, its acceptor and its connections on all loops.
struct ServerCore {
  ServerCore(Handler& h, ServerOptions o) : handler(h), options(std::move(o)) {}

  Handler& handler;
  const ServerOptions options;
  std::vector<std::unique_ptr<Shard>> shards;
  std::atomic<bool> draining = false;
  std::atomic<bool> stopped = false;
  std::atomic<std::size_t> busy = 0;
  std::atomic<std::size_t> body_bytes = 0;  ///< see ServerLimits::body_memory
  std::atomic<std::size_t> open = 0;
};

/// Serves one accepted socket until it ends.
boost::asio::awaitable<void> serve_connection(std::shared_ptr<ServerCore> core, Shard& shard,
                                              boost::asio::ip::tcp::socket socket);

}  // namespace postern::http
