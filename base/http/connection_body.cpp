// How a connection reads bodies, and how it ends.
#include "base/http/chunked.hpp"
#include "base/http/connection.hpp"

namespace postern::http {

using boost::asio::awaitable;

namespace {

constexpr std::size_t kFirstPiece = 64 * 1024;
constexpr std::size_t kLingerBytes = 256 * 1024;
constexpr Duration kLingerTime = std::chrono::seconds(2);

/// Room to read into: grows with what has come, not with what was announced, so that a lying Content-Length
/// costs its sender as much as it costs us.
std::size_t next_piece(std::size_t have, std::size_t missing) {
  return std::min(missing, std::max(kFirstPiece, have));
}

void grow(std::string& body, std::size_t by) {
  // libstdc++ 12 tells the function the new capacity, not the size it was asked for.
  const std::size_t size = body.size() + by;
  body.resize_and_overwrite(size, [size](char*, std::size_t) { return size; });
}

}  // namespace

awaitable<bool> Connection::read_body(const Head& head, std::size_t limit, std::string& body) {
  if (head.content_length > limit) co_return co_await refuse({413, "body_too_large"});
  if (head.expect_continue) {
    const bool invited = co_await invite_body();
    if (!invited) co_return false;
  }
  if (head.framing == Framing::chunked) co_return co_await read_chunked(limit, body);
  if (head.framing == Framing::length) co_return co_await read_sized(head.content_length, body);
  co_return true;
}

/// A client that has begun its body without waiting needs no invitation (RFC 9110, section 10.1.1).
awaitable<bool> Connection::invite_body() {
  if (!unread().empty()) co_return true;
  co_return co_await send("HTTP/1.1 100 Continue\r\n\r\n", {});
}

awaitable<bool> Connection::read_sized(std::size_t size, std::string& body) {
  body = unread().substr(0, size);
  begin_ += body.size();
  if (body.size() == size) co_return true;

  rate_.emplace(limits().body_rate, limits().body_rate_window, steady_now());
  enter(Phase::body, rate_->next_look());
  std::size_t have = body.size();
  while (have < size) {
    if (have == body.size()) {
      const std::size_t piece = next_piece(have, size - have);
      if (!hold(piece)) co_return co_await refuse_for_memory(body);
      grow(body, piece);
    }
    const auto read = co_await stream_.read_some(body.data() + have, body.size() - have);
    if (read.error) co_return false;
    have += read.size;
    rate_->add(read.size, steady_now());
  }
  co_return true;
}

awaitable<bool> Connection::read_chunked(std::size_t limit, std::string& body) {
  ChunkedDecoder decoder(limit);
  rate_.emplace(limits().body_rate, limits().body_rate_window, steady_now());
  enter(Phase::body, rate_->next_look());
  while (true) {
    begin_ += decoder.feed(unread(), body);
    if (decoder.progress() == Progress::done) co_return true;
    if (decoder.progress() == Progress::refused) co_return co_await refuse(decoder.verdict());
    if (!hold(body.size() - held_)) co_return co_await refuse_for_memory(body);
    const bool got = co_await fill();
    if (!got) co_return false;
    rate_->add(end_, steady_now());
  }
}

/// False when this connection's body would take more than is left for all of them.
bool Connection::hold(std::size_t bytes) {
  held_ += bytes;
  const std::size_t all = core_->body_bytes.fetch_add(bytes) + bytes;
  return all <= limits().body_memory || all == held_;
}

awaitable<bool> Connection::refuse_for_memory(std::string& body) {
  body = std::string();
  co_return co_await refuse({503, "body_memory_full"});
}

/// Closing with bytes unread would reset the connection and could destroy the answer before the client has
/// read it: say that nothing more will come, then swallow a bounded amount for a bounded time.
awaitable<void> Connection::linger() {
  enter(Phase::lingering, steady_now() + kLingerTime);
  stream_.finish_writing();
  std::size_t swallowed = 0;
  while (swallowed < kLingerBytes) {
    const auto [error, size] = co_await stream_.socket().async_read_some(
        boost::asio::buffer(buffer_), boost::asio::as_tuple(boost::asio::use_awaitable));
    if (error) co_return;
    swallowed += size;
  }
}

}  // namespace postern::http
