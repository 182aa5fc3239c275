#include "relay/tunnel/tunnel_listener.hpp"

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "relay/tunnel/hub_session.hpp"

namespace postern::relay {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr int kBacklog = 1024;
/// After an error that is not the connection's own, such as too many open files: long enough not to spin.
constexpr auto kErrorPause = std::chrono::milliseconds(100);

std::unexpected<Error> listen_failed(const tcp::endpoint& endpoint, const boost::system::error_code& ec) {
  return fail("listen_failed", fmt::format("Cannot listen for tunnels on {}:{}: {}.",
                                           endpoint.address().to_string(), endpoint.port(), ec.message()));
}

/// On the session's loop; a fault in setting it up is logged and costs this connection only.
asio::awaitable<void> start_session(std::shared_ptr<HubCore> core, tcp::socket socket,
                                    HandshakeGate::Place place) {
  HubSession::start(core, std::move(socket), std::move(place));
  co_return;
}

}  // namespace

TunnelListener::TunnelListener(std::span<asio::io_context* const> loops, std::shared_ptr<HubCore> core)
    : loops_(loops.begin(), loops.end()),
      core_(std::move(core)),
      acceptor_(loops_.front()->get_executor()),
      pause_(loops_.front()->get_executor()),
      pace_(core_->options.pace, core_->clock.steady()) {}

Result<tcp::endpoint> TunnelListener::start() {
  const tcp::endpoint& listen = core_->options.listen;
  boost::system::error_code ec;
  acceptor_.open(listen.protocol(), ec);
  if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
  if (!ec) acceptor_.bind(listen, ec);
  if (!ec) acceptor_.listen(kBacklog, ec);
  if (ec) return listen_failed(listen, ec);
  auto bound = acceptor_.local_endpoint(ec);
  if (ec) return listen_failed(listen, ec);
  spawn(acceptor_.get_executor(), accept_all(shared_from_this()), "tunnel.accept");
  return bound;
}

void TunnelListener::stop() {
  asio::post(acceptor_.get_executor(), [self = shared_from_this()] {
    boost::system::error_code ignored;
    self->acceptor_.close(ignored);
    self->pause_.cancel();
  });
}

asio::awaitable<void> TunnelListener::accept_all(std::shared_ptr<TunnelListener> self) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (self->acceptor_.is_open()) {
    asio::io_context& loop = *loops_[next_++ % loops_.size()];
    auto [ec, socket] = co_await acceptor_.async_accept(loop, token);
    if (!acceptor_.is_open()) break;
    if (!ec) {
      // Who was turned away costs next to nothing.
      if (take(std::move(socket))) pace_.begin();
    } else if (ec != asio::error::connection_aborted) {
      log::warn("tunnel.accept_failed", {{"error", ec.message()}});
      pause_.expires_after(kErrorPause);
      co_await pause_.async_wait(token);
    }
    if (core_->gate.full()) co_await wait_for_place();
    co_await keep_pace();
  }
}

asio::awaitable<void> TunnelListener::keep_pace() {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (acceptor_.is_open()) {
    const Duration wait = pace_.wait(core_->clock.steady());
    if (wait == Duration(0)) break;
    pause_.expires_after(wait);
    co_await pause_.async_wait(token);
  }
}

asio::awaitable<void> TunnelListener::wait_for_place() {
  pause_.expires_at(asio::steady_timer::time_point::max());
  core_->gate.when_free([weak = weak_from_this(), executor = acceptor_.get_executor()] {
    asio::post(executor, [weak] {
      if (auto self = weak.lock()) self->pause_.cancel();
    });
  });
  const auto token = asio::as_tuple(asio::use_awaitable);
  co_await pause_.async_wait(token);
}

std::string_view TunnelListener::why_not(const asio::ip::address& source) const {
  if (core_->draining) return "draining";
  if (core_->registry.connection_count() >= core_->options.connections) return "too_many";
  if (!core_->limiter.may_try(source)) return "too_many_failures";
  return {};
}

void TunnelListener::hand_over(tcp::socket socket) {
  if (core_->gate.full()) return core_->metrics.closed_at_accept("too_many_handshakes");
  take(std::move(socket));
}

/// True when a session has begun. A socket that is dropped here is closed here. From any thread.
bool TunnelListener::take(tcp::socket socket) {
  boost::system::error_code ec;
  const auto peer = socket.remote_endpoint(ec);
  if (ec) return false;
  auto why = why_not(peer.address());
  auto place = why.empty() ? core_->gate.enter(peer.address()) : HandshakeGate::Place();
  if (why.empty() && !place) why = "too_many_from_source";
  if (!why.empty()) {
    core_->metrics.closed_at_accept(why);
    return false;
  }
  socket.set_option(tcp::no_delay(true), ec);
  const auto executor = socket.get_executor();
  spawn(executor, start_session(core_, std::move(socket), std::move(place)), "tunnel.session");
  return true;
}

}  // namespace postern::relay
