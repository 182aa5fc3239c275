#pragma once
#include <memory>
#include <string>

#include "base/http/client_state.hpp"
#include "base/http/response_parser.hpp"
#include "base/http/stream.hpp"

namespace postern::http {

using ClientResult = std::expected<ClientResponse, ClientError>;

/// One request of a client and its response. Lives in the frame of Client::send.
class Exchange final : private Watched {
 public:
  Exchange(ClientOptions& options, Pool& pool, std::shared_ptr<Watchdog> watchdog, Origin origin,
           ClientRequest request, Duration limit);

  /// `tls` is null for plain HTTP.
  boost::asio::awaitable<ClientResult> run(SSL_CTX* tls);

 private:
  using Failure = std::unexpected<ClientError>;

  boost::asio::awaitable<Result<>> open(SSL_CTX* tls);
  boost::asio::awaitable<Stream::Error> transmit(std::string head);
  boost::asio::awaitable<Stream::Error> receive();
  ClientResult conclude(const Stream::Error& write_error, const Stream::Error& read_error);
  Failure failure(std::string code, std::string message);
  Failure failure(Error error) { return failure(std::move(error.code), std::move(error.message)); }
  void expired(SteadyTime) override {
    timed_out_ = true;
    if (stream_) stream_->close();
  }

  ClientOptions& options_;
  Pool& pool_;
  std::shared_ptr<Watchdog> watchdog_;
  ClientRequest request_;
  const Pool::Key key_;
  SteadyTime start_;
  SteadyTime deadline_;
  SteadyTime sent_at_;
  Timings timings_;
  std::unique_ptr<Stream> stream_;
  ResponseParser parser_;
  bool all_sent_ = false;
  bool timed_out_ = false;
};

}  // namespace postern::http
