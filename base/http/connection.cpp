#include "base/http/connection.hpp"

#include <exception>

#include "base/http/client_hello.hpp"
#include "base/http/response_head.hpp"
#include "base/log.hpp"

namespace postern::http {

using boost::asio::awaitable;
using boost::asio::ip::tcp;

namespace {

constexpr std::size_t kBuffer = 8 * 1024;
constexpr std::size_t kWritePiece = 64 * 1024;
constexpr Duration kHandshakeTime = std::chrono::seconds(10);
constexpr Duration kDrainGrace = std::chrono::milliseconds(200);

std::string describe_peer(const tcp::socket& socket) {
  boost::system::error_code error;
  const auto peer = socket.remote_endpoint(error);
  if (error) return "unknown";
  const std::string address = peer.address().to_string();
  return peer.address().is_v6() ? fmt::format("[{}]:{}", address, peer.port())
                                : fmt::format("{}:{}", address, peer.port());
}

}  // namespace

awaitable<void> serve_connection(std::shared_ptr<ServerCore> core, Shard& shard, tcp::socket socket) {
  Connection connection(std::move(core), shard, std::move(socket));
  co_await connection.run();
}

Connection::Connection(std::shared_ptr<ServerCore> core, Shard& shard, tcp::socket socket)
    : core_(std::move(core)), shard_(shard), stream_(std::move(socket)), buffer_(kBuffer) {
  peer_ = describe_peer(stream_.socket());
  shard_.connections.push_front(this);
  place_ = shard_.connections.begin();
  shard_.watchdog->add(*this);
}

Connection::~Connection() {
  end_request();
  shard_.connections.erase(place_);
  --core_->open;
}

awaitable<void> Connection::run() {
  if (core_->stopped) co_return;
  bool more = true;
  if (core_->options.other) more = !co_await is_other_protocol();
  if (more && core_->options.tls) more = co_await start_tls();
  while (more) more = co_await exchange();
  stream_.close();
}

/// True also when the connection is over: it was handed on, or ended before anything could be told.
awaitable<bool> Connection::is_other_protocol() {
  std::vector<char> hello(1);  // who is silent costs no buffer
  Offer offer = Offer::more;
  std::size_t known = 0;
  // Who says nothing on a plain listener is as idle as ever.
  const Duration patience = core_->options.tls ? kHandshakeTime : limits().idle_time;
  enter(core_->options.tls ? Phase::handshake : Phase::idle, steady_now() + patience);
  while (offer == Offer::more) {
    const auto peeked = co_await stream_.peek_beyond(known, hello.data(), hello.size());
    if (peeked.error) co_return true;
    if (known == 0) enter(Phase::handshake, steady_now() + kHandshakeTime);
    known = peeked.size;
    hello.resize(kMostHello);
    offer = offers_protocol({hello.data(), known}, core_->options.other->alpn);
  }
  if (offer == Offer::no) co_return false;
  enter(Phase::idle, Watchdog::never);
  core_->options.other->take(std::move(stream_.socket()));
  co_return true;
}

awaitable<bool> Connection::start_tls() {
  enter(Phase::handshake, steady_now() + kHandshakeTime);
  const auto error = co_await stream_.accept_tls(core_->options.tls->native_handle());
  if (error && stream_.socket().is_open()) report(0, "tls_handshake_failed");
  co_return !error;
}

/// One request and its answer; false when the connection has ended or must end.
awaitable<bool> Connection::exchange() {
  head_method_ = false;
  Gate gate({limits().target_bytes, limits().header_bytes, limits().header_fields});
  const bool got_head = co_await read_head(gate);
  if (!got_head) co_return false;
  if (gate.progress() == Progress::refused) co_return co_await refuse(gate.verdict());

  Head& head = gate.head();
  head_method_ = head.method == "HEAD";
  close_after_ = !head.keep_alive;
  Request request;
  request.method = std::move(head.method);
  request.target = std::move(head.target);
  request.headers = std::move(head.headers);
  request.peer = peer_;

  HeadDecision decision = ask_decision(request);
  if (auto* early = std::get_if<Response>(&decision)) {
    const bool clean = skip_buffered_body(head);
    co_return co_await answer(std::move(*early), !clean);
  }
  const std::size_t limit = std::get<ReadBody>(decision).limit_bytes;
  request.note = std::get<ReadBody>(decision).note;
  const bool got_body = co_await read_body(head, limit, request.body);
  if (!got_body) co_return false;

  enter(Phase::handler, Watchdog::never);
  Response response = co_await ask_handler(std::move(request));
  co_return co_await answer(std::move(response), false);
}

/// true when the gate has come to a verdict.
awaitable<bool> Connection::read_head(Gate& gate) {
  SteadyTime deadline = Watchdog::never;
  while (true) {
    if (!unread().empty()) {
      begin_request();
      begin_ += gate.feed(unread());
      if (gate.progress() != Progress::more) co_return true;
    }
    const SteadyTime now = steady_now();
    if (busy_ && deadline == Watchdog::never) deadline = now + limits().header_time;
    const Duration patience = core_->draining ? kDrainGrace : limits().idle_time;
    enter(busy_ ? Phase::head : Phase::idle, busy_ ? deadline : now + patience);
    const bool got = co_await fill();
    if (got) continue;
    if (busy_ && stream_.socket().is_open()) report(0, "head_cut_short");
    co_return false;
  }
}

HeadDecision Connection::ask_decision(const Request& head) {
  try {
    return core_->handler.on_head(head);
  } catch (const std::exception& e) {
    log::error("http.handler_failed", {{"peer", peer_}, {"error", e.what()}});
    Response response;
    response.status = 500;
    return response;
  }
}

awaitable<Response> Connection::ask_handler(Request request) {
  try {
    co_return co_await core_->handler.on_request(std::move(request));
  } catch (const std::exception& e) {
    log::error("http.handler_failed", {{"peer", peer_}, {"error", e.what()}});
  }
  Response response;
  response.status = 500;
  co_return response;
}

/// An answer that came before the body leaves the connection usable only when the body is here already.
bool Connection::skip_buffered_body(const Head& head) {
  if (head.framing == Framing::chunked) return false;
  if (head.content_length > unread().size()) return false;
  begin_ += head.content_length;
  return true;
}

awaitable<bool> Connection::fill() {
  begin_ = end_ = 0;
  const auto read = co_await stream_.read_some(buffer_.data(), buffer_.size());
  if (read.error) co_return false;
  end_ = read.size;
  co_return true;
}

awaitable<bool> Connection::answer(Response response, bool close) {
  const bool ends = close || close_after_ || response.close || core_->draining;
  out_.clear();
  if (!write_response_head(out_, response, ends)) {
    log::error("http.handler_failed",
               {{"peer", peer_}, {"error", "a response header holds a forbidden byte"}});
    response = Response{500, {}, {}, true};
    write_response_head(out_, response, ends);
  }
  const bool bodiless = head_method_ || !status_has_body(response.status);
  const bool sent = co_await send(out_, bodiless ? std::string_view() : std::string_view(response.body));
  end_request();
  if (!sent) co_return false;
  if (!ends) co_return true;
  co_await linger();
  co_return false;
}

awaitable<bool> Connection::refuse(Verdict verdict) {
  report(verdict.status, verdict.reason);
  Response response;
  response.status = verdict.status;
  response.headers = {{"Content-Type", "text/plain"}};
  if (verdict.status == 503) response.headers.push_back({"Retry-After", "1"});
  response.body = fmt::format("{}\n", verdict.reason);
  return answer(std::move(response), true);
}

/// Each piece must be taken within write_time, so a client that reads at all gets the whole of a long answer.
awaitable<bool> Connection::send(std::string_view head, std::string_view body) {
  do {
    const std::string_view piece = body.substr(0, kWritePiece);
    body.remove_prefix(piece.size());
    enter(Phase::writing, steady_now() + limits().write_time);
    const auto error = co_await stream_.write(head, piece);
    if (error) co_return false;
    head = {};
  } while (!body.empty());
  co_return true;
}

void Connection::begin_request() {
  if (busy_) return;
  busy_ = true;
  ++core_->busy;
}

void Connection::end_request() {
  if (!busy_) return;
  busy_ = false;
  --core_->busy;
  core_->body_bytes -= std::exchange(held_, 0);
}

void Connection::drain() {
  if (phase_ == Phase::idle) enter(Phase::idle, steady_now() + kDrainGrace);
}

void Connection::enter(Phase phase, SteadyTime deadline) {
  phase_ = phase;
  shard_.watchdog->set(*this, deadline);
}

void Connection::expired(SteadyTime now) {
  switch (phase_) {
    case Phase::handshake:
      return give_up("tls_handshake_timeout");
    case Phase::head:
      return give_up("slow_header");
    case Phase::writing:
      return give_up("slow_reader");
    case Phase::body:
      if (rate_->too_slow(now)) return give_up("slow_body");
      return enter(Phase::body, rate_->next_look());
    default:
      return stream_.close();
  }
}

void Connection::give_up(std::string_view reason) {
  report(0, reason);
  stream_.close();
}

void Connection::report(int status, std::string_view reason) {
  if (core_->options.on_refusal) core_->options.on_refusal(Refusal{status, reason, peer_});
}

}  // namespace postern::http
