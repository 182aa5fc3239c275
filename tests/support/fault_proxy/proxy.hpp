#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <list>
#include <string>
#include <string_view>

#include "tests/support/fault_proxy/link.hpp"

namespace postern::test {

/// A TCP proxy that does to its connections what networks do. One loop. Commands, a line each:
///
///   latency MS [JITTER_MS]     each way
///   bandwidth BYTES_A_SECOND   each way of each connection; 0: all there is
///   drip on|off                byte by byte
///   blackhole up|down|both     nothing passes; connections stay, and half of them may not know
///   mute                       who connects is taken and hears nothing
///   refuse                     nobody listens
///   reset                      RST for all connections that there are
///   clear                      fine weather: all of the above is over
///   count                      answers how many connections there are
class Proxy {
 public:
  Proxy(boost::asio::io_context& loop, boost::asio::ip::tcp::endpoint target);

  /// Port 0: the system chooses. Throws when it cannot listen.
  std::uint16_t listen(const boost::asio::ip::tcp::endpoint& at);
  /// The answer: "ok", "ok NUMBER", or "error …", and then nothing has changed.
  std::string command(std::string_view line);

 private:
  bool obey(const std::string& verb, std::istream& words);
  void accept();
  void clear();
  void forget_links(bool all);

  boost::asio::io_context& loop_;
  boost::asio::ip::tcp::endpoint target_;
  boost::asio::ip::tcp::endpoint at_;
  boost::asio::ip::tcp::acceptor acceptor_;
  Weather weather_;
  std::mt19937_64 engine_{std::random_device{}()};
  std::list<std::shared_ptr<Link>> links_;
};

}  // namespace postern::test
