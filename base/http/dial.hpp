#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include <memory>
#include <vector>

#include "base/http/client_state.hpp"
#include "base/http/stream.hpp"

namespace postern::http {

/// Opens one connection: look-up, address policy, TCP to each allowed address in turn, TLS. Lives in the
/// frame of the exchange that needs it; every wait ends at the deadline.
class Dial final : private Watched {
 public:
  Dial(ClientOptions& options, std::shared_ptr<Watchdog> watchdog, Timings& timings)
      : options_(options), watchdog_(std::move(watchdog)), timings_(timings) {
    watchdog_->add(*this);
  }

  /// `tls` is null for plain TCP; `pins` as in ClientRequest. Errors: `dns_failed`, `address_refused`,
  /// `connect_failed`, `connect_timeout`, `tls_failed`, `tls_pin_mismatch`.
  boost::asio::awaitable<Result<std::unique_ptr<Stream>>> open(const Origin& origin, SSL_CTX* tls,
                                                               const std::vector<std::string>& pins,
                                                               SteadyTime deadline);

 private:
  using Addresses = std::vector<boost::asio::ip::address>;

  boost::asio::awaitable<Result<Addresses>> look_up(std::string host, SteadyTime deadline);
  boost::asio::awaitable<Result<>> connect(Addresses addresses, std::uint16_t port, SteadyTime deadline);
  boost::asio::awaitable<Result<>> connect_one(boost::asio::ip::tcp::endpoint to, SteadyTime deadline);
  boost::asio::awaitable<Result<>> reach(const Origin& origin, SteadyTime deadline);
  boost::asio::awaitable<Result<>> connect_socket(std::string path, SteadyTime deadline);
  boost::asio::awaitable<Result<>> secure(const Origin& origin, SSL_CTX* tls,
                                          const std::vector<std::string>& pins, SteadyTime deadline);
  bool may_dial(const boost::asio::ip::address& address) const {
    return !options_.may_dial || options_.may_dial(address);
  }
  void expired(SteadyTime) override {
    timed_out_ = true;
    stream_->close();
  }

  ClientOptions& options_;
  std::shared_ptr<Watchdog> watchdog_;
  Timings& timings_;
  std::unique_ptr<Stream> stream_;
  bool timed_out_ = false;
};

}  // namespace postern::http
