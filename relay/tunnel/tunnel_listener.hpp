#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <span>
#include <vector>

#include "relay/tunnel/hub_core.hpp"

namespace postern::relay {

/// Accepts, decides in a moment whether to keep, and deals round robin to the loops. Nothing here waits for a
/// peer. While all places at the handshake are taken, or more begin than the pace after a start allows, it
/// stops accepting: the rest waits in the kernel's queue.
class TunnelListener : public std::enable_shared_from_this<TunnelListener> {
 public:
  TunnelListener(std::span<boost::asio::io_context* const> loops, std::shared_ptr<HubCore> core);

  Result<boost::asio::ip::tcp::endpoint> start();
  void stop();  ///< from any thread
  /// A connection that another listener accepted, on its loop. Nobody waits in a queue for it: while all
  /// places at the handshake are taken it is closed.
  void hand_over(boost::asio::ip::tcp::socket socket);

 private:
  boost::asio::awaitable<void> accept_all(std::shared_ptr<TunnelListener> self);
  boost::asio::awaitable<void> wait_for_place();
  boost::asio::awaitable<void> keep_pace();
  bool take(boost::asio::ip::tcp::socket socket);
  std::string_view why_not(const boost::asio::ip::address& source) const;

  std::vector<boost::asio::io_context*> loops_;
  std::shared_ptr<HubCore> core_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer pause_;
  HandshakePace pace_;
  std::size_t next_ = 0;
};

}  // namespace postern::relay
