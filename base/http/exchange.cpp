#include "base/http/exchange.hpp"

#include <array>

#include "base/http/dial.hpp"
#include "base/http/request_head.hpp"

namespace postern::http {

using boost::asio::awaitable;

namespace {

constexpr std::size_t kReadPiece = 16 * 1024;

/// Who may use a connection again: another pin is another idea of who the server is.
std::string owner_of(const ClientRequest& request) {
  std::string owner = request.owner;
  for (const std::string& pin : request.pins) owner += '\n' + pin;
  return owner;
}

}  // namespace

Exchange::Exchange(ClientOptions& options, Pool& pool, std::shared_ptr<Watchdog> watchdog, Origin origin,
                   ClientRequest request, Duration limit)
    : options_(options),
      pool_(pool),
      watchdog_(std::move(watchdog)),
      request_(std::move(request)),
      key_{std::move(origin), owner_of(request_)},
      start_(steady_now()),
      deadline_(start_ + limit),
      sent_at_(start_),
      parser_(request_.method == "HEAD", options.header_limit, options.body_limit) {
  watchdog_->add(*this);
}

awaitable<ClientResult> Exchange::run(SSL_CTX* tls) {
  auto head = write_request_head(key_.origin, request_);
  if (!head) co_return failure(std::move(head.error()));
  stream_ = pool_.take(key_);
  if (!stream_) {
    auto opened = co_await open(tls);
    if (!opened) co_return failure(std::move(opened.error()));
  }
  stream_->mark();
  watchdog_->set(*this, deadline_);
  const auto write_error = co_await transmit(std::move(*head));
  Stream::Error read_error;
  // A server may answer and close before it has read all: the answer counts, where it can still be read.
  if (!write_error || stream_->has_written()) read_error = co_await receive();
  co_return conclude(write_error, read_error);
}

awaitable<Result<>> Exchange::open(SSL_CTX* tls) {
  Dial dial(options_, watchdog_, timings_);
  const SteadyTime until = std::min(deadline_, start_ + options_.connect_time);
  auto opened = co_await dial.open(key_.origin, tls, request_.pins, until);
  if (!opened) {
    Error error = std::move(opened.error());
    if (error.code == "connect_timeout" && until == deadline_) error.code = "timeout";
    co_return std::unexpected(std::move(error));
  }
  stream_ = std::move(*opened);
  co_return Result<>();
}

/// Stops without an error when the server answers first.
awaitable<Stream::Error> Exchange::transmit(std::string head) {
  std::string_view body = request_.body ? std::string_view(*request_.body) : std::string_view();
  std::string_view front = head;
  do {
    const std::string_view piece = body.substr(0, options_.write_chunk);
    body.remove_prefix(piece.size());
    const auto written = co_await stream_->write_until_answer(front, piece);
    if (written.error) co_return written.error;
    front = {};
    if (written.answered || (!body.empty() && !stream_->is_quiet())) break;
    all_sent_ = body.empty();
  } while (!body.empty());
  sent_at_ = steady_now();
  co_return Stream::Error();
}

awaitable<Stream::Error> Exchange::receive() {
  std::array<char, kReadPiece> buffer;
  while (parser_.progress() == Progress::more) {
    const auto read = co_await stream_->read_some(buffer.data(), buffer.size());
    if (timings_.first_byte == Duration(0)) timings_.first_byte = steady_now() - sent_at_;
    if (read.error) {
      parser_.end();
      co_return read.error;
    }
    parser_.feed({buffer.data(), read.size});
  }
  co_return Stream::Error();
}

ClientResult Exchange::conclude(const Stream::Error& write_error, const Stream::Error& read_error) {
  timings_.total = steady_now() - start_;
  if (parser_.progress() == Progress::done) {
    if (all_sent_ && parser_.reusable() && !timed_out_) pool_.keep(key_, std::move(stream_));
    return ClientResponse{parser_.status, std::move(parser_.headers), std::move(parser_.body),
                          parser_.truncated, timings_};
  }
  if (timed_out_) return failure("timeout", "no answer within the time allowed");
  if (write_error) return failure("write_failed", "sending the request failed: " + write_error.message());
  if (read_error) return failure("read_failed", "the server ended the connection: " + read_error.message());
  const bool large = parser_.reason() == "headers_too_large";
  return failure(std::string(parser_.reason()), large ? "the response's headers are too large"
                                                      : "the server's answer is not valid HTTP/1.1");
}

Exchange::Failure Exchange::failure(std::string code, std::string message) {
  timings_.total = steady_now() - start_;
  const bool out = stream_ && stream_->has_written();
  return std::unexpected(
      ClientError{{std::move(code), std::move(message)}, out ? Sent::maybe : Sent::nothing, timings_});
}

}  // namespace postern::http
