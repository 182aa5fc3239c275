#include "base/http/stream.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cerrno>

namespace postern::http {

namespace asio = boost::asio;
using asio::awaitable;
using Tcp = asio::ip::tcp;

namespace {

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr std::size_t kTlsRecord = 16 * 1024;

}  // namespace

awaitable<Stream::Error> Stream::accept_tls(SSL_CTX* context) {
  tls_.emplace(TlsSession::server(context, socket_.native_handle()));
  return handshake();
}

awaitable<Stream::Error> Stream::connect_tls(SSL_CTX* context, std::string host, bool verify) {
  tls_.emplace(TlsSession::client(context, socket_.native_handle(), host, verify));
  return handshake();
}

awaitable<Stream::Error> Stream::handshake() {
  while (true) {
    const TlsStep step = tls_->handshake();
    if (step == TlsStep::done) co_return Error();
    const Error error = co_await wait_for(step);
    if (error) co_return error;
  }
}

awaitable<Stream::Error> Stream::wait_for(TlsStep want) {
  if (want == TlsStep::end) co_return asio::error::eof;
  if (want == TlsStep::failed) co_return asio::error::connection_reset;
  const auto kind = want == TlsStep::want_read ? Tcp::socket::wait_read : Tcp::socket::wait_write;
  const auto [error] = co_await socket_.async_wait(kind, kAwait);
  co_return error;
}

awaitable<Stream::Read> Stream::read_some(char* out, std::size_t size) {
  if (tls_) co_return co_await read_tls(out, size);
  const auto [error, got] = co_await socket_.async_read_some(asio::buffer(out, size), kAwait);
  co_return Read{error, got};
}

awaitable<Stream::Read> Stream::read_tls(char* out, std::size_t size) {
  while (true) {
    std::size_t got = 0;
    const TlsStep step = tls_->read(out, size, got);
    if (step == TlsStep::done) co_return Read{Error(), got};
    const Error error = co_await wait_for(step);
    if (error) co_return Read{error, 0};
  }
}

awaitable<Stream::Error> Stream::write(std::string_view first, std::string_view second) {
  if (!tls_) {
    const std::array<asio::const_buffer, 2> parts{asio::buffer(first), asio::buffer(second)};
    const auto [error, put] = co_await asio::async_write(socket_, parts, kAwait);
    plain_out_ += put;
    co_return error;
  }
  if (second.empty() || first.size() + second.size() > kTlsRecord) {
    const Error error = co_await write_tls(first);
    if (error || second.empty()) co_return error;
    co_return co_await write_tls(second);
  }
  std::string one(first);
  one += second;
  co_return co_await write_tls(one);
}

awaitable<Stream::Error> Stream::write_tls(std::string_view data) {
  while (!data.empty()) {
    std::size_t put = 0;
    const TlsStep step = tls_->write(data.data(), data.size(), put);
    data.remove_prefix(put);
    if (step == TlsStep::done) continue;
    const Error error = co_await wait_for(step);
    if (error) co_return error;
  }
  co_return Error();
}

/// As much as the socket takes without waiting; would_block when that is not all.
Stream::Error Stream::write_now(std::string_view& first, std::string_view& second) {
  while (!first.empty() || !second.empty()) {
    iovec parts[2] = {{const_cast<char*>(first.data()), first.size()},
                      {const_cast<char*>(second.data()), second.size()}};
    msghdr message{};
    message.msg_iov = parts;
    message.msg_iovlen = 2;
    const auto n = ::sendmsg(socket_.native_handle(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Error(errno, boost::system::system_category());
    const auto put = static_cast<std::size_t>(n);
    plain_out_ += put;
    second.remove_prefix(put - std::min(put, first.size()));
    first.remove_prefix(std::min(put, first.size()));
  }
  return Error();
}

awaitable<Stream::Written> Stream::write_until_answer(std::string_view first, std::string_view second) {
  if (!tls_) co_return co_await write_plain_until_answer(first, second);
  if (first.empty()) co_return co_await write_tls_until_answer(second);
  // One record for both, or the head's would go out in a packet of its own.
  const std::string_view front = second.substr(0, kTlsRecord - std::min(kTlsRecord, first.size()));
  std::string one(first);
  one += front;
  const Written written = co_await write_tls_until_answer(one);
  if (written.error || written.answered) co_return written;
  co_return co_await write_tls_until_answer(second.substr(front.size()));
}

awaitable<Stream::Written> Stream::write_plain_until_answer(std::string_view first, std::string_view second) {
  while (true) {
    const Error error = write_now(first, second);
    if (error != asio::error::would_block) co_return Written{error, false};
    const Error waited = co_await wait_either();
    if (waited) co_return Written{waited, false};
    if (has_input()) co_return Written{Error(), true};
  }
}

awaitable<Stream::Written> Stream::write_tls_until_answer(std::string_view data) {
  while (!data.empty()) {
    std::size_t put = 0;
    const TlsStep step = tls_->write(data.data(), data.size(), put);
    data.remove_prefix(put);
    if (step == TlsStep::done) continue;
    Error error;
    if (step == TlsStep::want_write)
      error = co_await wait_either();
    else
      error = co_await wait_for(step);
    if (error) co_return Written{error, false};
    if (!tls_->quiet()) co_return Written{Error(), true};
  }
  co_return Written();
}

/// Until the socket takes more, or has something to read.
awaitable<Stream::Error> Stream::wait_either() {
  auto group =
      asio::experimental::make_parallel_group(socket_.async_wait(Tcp::socket::wait_write, asio::deferred),
                                              socket_.async_wait(Tcp::socket::wait_read, asio::deferred));
  const auto [order, write_error, read_error] =
      co_await group.async_wait(asio::experimental::wait_for_one(), asio::use_awaitable);
  co_return order[0] == 0 ? write_error : read_error;
}

bool Stream::is_quiet() {
  if (!socket_.is_open()) return false;
  return tls_ ? tls_->quiet() : !has_input();
}

/// Bytes, an end or an error: anything but "nothing yet".
bool Stream::has_input() {
  char byte;
  const auto n = ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/// With the low-water mark the kernel says "readable" only for more than what was seen.
awaitable<Stream::Read> Stream::peek_beyond(std::size_t known, char* out, std::size_t size) {
  using LowWater = asio::socket_base::receive_low_watermark;
  Read read;
  socket_.set_option(LowWater(static_cast<int>(known) + 1), read.error);
  if (read.error) co_return read;
  while (!read.error && read.size <= known) {
    read.error = co_await wait_for(TlsStep::want_read);
    if (read.error) co_return read;
    const auto n = ::recv(socket_.native_handle(), out, size, MSG_PEEK | MSG_DONTWAIT);
    if (n > 0) read.size = static_cast<std::size_t>(n);
    // A wake-up may also tell of bytes that were seen already.
    if (n == 0 || (read.size <= known && peer_has_ended())) read.error = asio::error::eof;
  }
  Error ignored;
  socket_.set_option(LowWater(1), ignored);
  co_return read;
}

bool Stream::peer_has_ended() {
  pollfd look{socket_.native_handle(), POLLRDHUP, 0};
  return ::poll(&look, 1, 0) != 0;
}

void Stream::finish_writing() {
  if (!socket_.is_open()) return;
  if (tls_) tls_->say_goodbye();
  Error ignored;
  socket_.shutdown(Tcp::socket::shutdown_send, ignored);
}

void Stream::close() {
  if (tls_) tls_->detach();
  Error ignored;
  socket_.close(ignored);
}

}  // namespace postern::http
