#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agent/inspector/api.hpp"
#include "base/random.hpp"

namespace postern::agent::inspector {

/// The local page that shows the deliveries as they pass: a listener on a loopback address, and what it
/// shows. One loop; `clock` outlives it, and the loop does.
class Inspector {
 public:
  struct Parts {
    boost::asio::io_context& loop;
    const Clock& clock;
    Random& random;  ///< of the token
    Resend resend;
  };
  /// Error `listen_failed`. `at` is a loopback address; port 0 is one that the system chooses.
  static Result<std::unique_ptr<Inspector>> start(Parts parts, const boost::asio::ip::tcp::endpoint& at);
  /// Once the loop has stopped, or stop() has left it idle.
  ~Inspector();
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;

  std::shared_ptr<Recorder> recorder() const { return recorder_; }
  const std::string& address() const { return address_; }  ///< http://HOST:PORT/, for everyone to see
  const std::string& url() const { return url_; }          ///< the same with the token: a secret
  /// Takes no connection any more, closes those that there are, and forgets what passed.
  void stop();
  bool idle() const { return server_.connections() == 0; }

 private:
  Inspector(Parts& parts, std::string token, const boost::asio::ip::tcp::endpoint& at);

  std::shared_ptr<Recorder> recorder_;
  Api api_;
  std::vector<boost::asio::io_context*> loops_;
  http::Server server_;
  std::string token_;
  std::string address_;
  std::string url_;
};

}  // namespace postern::agent::inspector
