#pragma once
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "control/settings.hpp"

namespace postern::control {

/// A whole relay in one process: store, dispatcher, ingest, tunnel hub and admin API on N loops. One thread
/// uses it.
///
///   Node node(settings, on_fatal);
///   node.start();  …  co_await node.drain();  node.close();
class Node {
 public:
  /// `on_fatal(why)`: the store broke and nothing is acknowledged any more; called once, on a thread of the
  /// store.
  Node(Settings settings, std::function<void(const std::string&)> on_fatal);
  ~Node();

  /// Opens or makes everything and listens; ready when it returns. Blocks. Errors say what to do.
  Result<void> start();
  /// "ready ingest=http://HOST:PORT tunnel=HOST:PORT admin=http://HOST:PORT"
  std::string ready_line() const;

  /// Looks at once at the files that may change while it runs. From any thread, after start().
  void reload();

  /// Not ready → accept no more → answer what has begun → let attempts end → send the agents away. Bounded by
  /// [shutdown] of the settings. What is left over is taken up by the next start. Runs on the caller's
  /// executor.
  boost::asio::awaitable<void> drain();
  /// Cuts what is left, ends the loops and closes the store. False when something would not end: the store is
  /// closed all the same, but the rest of this object must not be destroyed any more, so leave the process at
  /// once.
  bool close();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace postern::control
