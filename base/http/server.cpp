#include "base/http/server.hpp"

#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/http/connection.hpp"
#include "base/http/server_core.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::http {

namespace asio = boost::asio;
using asio::awaitable;
using asio::ip::tcp;
using ErrorCode = boost::system::error_code;

namespace {

constexpr Duration kAcceptPause = std::chrono::milliseconds(50);
constexpr int kAcceptedAtOnce = 4096;  // what the kernel keeps of a listener's clients

/// Anything but a client that left before it was accepted: no descriptors or memory left, or worse.
bool must_pause(const ErrorCode& error) {
  return error != asio::error::connection_aborted && error != asio::error::operation_aborted;
}

bool is_full(const ServerCore& core) {
  return core.open >= core.options.limits.connections || (core.options.is_full && core.options.is_full());
}

void report_turned_away(const ServerCore& core) {
  if (core.options.on_refusal) core.options.on_refusal(Refusal{0, kTurnedAway, {}});
}

/// Closed at once: a client sees that, no handshake is made, no memory spent, and no loop told of it. All
/// that wait, as who floods a listener would otherwise fill the kernel's queue for the others.
void turn_away(const ServerCore& core, tcp::acceptor& acceptor) {
  for (int left = kAcceptedAtOnce; left > 0; --left) {
    const int socket = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) return;
    ::close(socket);
    report_turned_away(core);
  }
}

void deal(const std::shared_ptr<ServerCore>& core, Shard& shard, tcp::socket socket) {
  if (is_full(*core)) return report_turned_away(*core);
  ++core->open;
  ErrorCode ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  spawn(shard.loop.get_executor(), serve_connection(core, shard, std::move(socket)), "http.connection");
}

template <class Action>
void on_each_shard(const std::shared_ptr<ServerCore>& core, Action action) {
  for (auto& shard : core->shards) {
    asio::post(shard->loop, [core, &here = *shard, action] {
      for (Connection* connection : here.connections) action(*connection);
    });
  }
}

}  // namespace

struct Server::State : std::enable_shared_from_this<Server::State> {
  explicit State(std::shared_ptr<ServerCore> shared) : core(std::move(shared)) {}

  /// Whose turn it is; dealing to it passes the turn on.
  Shard& next_shard() { return *core->shards[next % core->shards.size()]; }
  awaitable<void> accept_all(std::shared_ptr<State> keeps_this_alive);
  awaitable<void> pause();
  void accept_waiting();

  std::shared_ptr<ServerCore> core;
  std::optional<tcp::acceptor> acceptor;  // on the first loop
  std::size_t next = 0;
};

awaitable<void> Server::State::accept_all(std::shared_ptr<State>) {
  bool stuck = false;
  while (!core->draining && acceptor && acceptor->is_open()) {
    Shard& shard = next_shard();
    auto [error, socket] = co_await acceptor->async_accept(shard.loop, asio::as_tuple(asio::use_awaitable));
    const bool was_stuck = std::exchange(stuck, error && must_pause(error));
    if (!error) {
      ++next;
      deal(core, shard, std::move(socket));
      accept_waiting();
    }
    if (stuck && !was_stuck)
      log::warn("http.accept_failed", {{"error", error.message()}, {"open", core->open.load()}});
    if (stuck) co_await pause();
  }
}

/// The client stays in the kernel's queue meanwhile; trying again at once would only spin.
awaitable<void> Server::State::pause() {
  asio::steady_timer timer(core->shards[0]->loop, kAcceptPause);
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

/// All that the kernel has accepted already. One at a time, each would wait behind the requests that are
/// ready on this loop, and on a loop that is behind the last of them for many seconds; at the end they would
/// be reset.
void Server::State::accept_waiting() {
  ErrorCode error;
  for (int left = kAcceptedAtOnce; left > 0 && acceptor && acceptor->is_open() && !error; --left) {
    if (is_full(*core)) return turn_away(*core, *acceptor);
    Shard& shard = next_shard();
    tcp::socket socket(shard.loop);
    acceptor->accept(socket, error);
    if (error) return;
    ++next;
    deal(core, shard, std::move(socket));
  }
}

Server::Server(std::span<asio::io_context* const> loops, Handler& handler, ServerOptions options)
    : state_(std::make_shared<State>(std::make_shared<ServerCore>(handler, std::move(options)))) {
  for (asio::io_context* loop : loops) state_->core->shards.push_back(std::make_unique<Shard>(*loop));
}

Server::~Server() {
  state_->acceptor.reset();
  for (auto& shard : state_->core->shards) shard->watchdog->release();
}

Result<tcp::endpoint> Server::start() {
  const tcp::endpoint at = state_->core->options.listen;
  auto& acceptor = state_->acceptor.emplace(state_->core->shards[0]->loop);
  ErrorCode error;
  const auto step = [&error](auto&& action) {
    if (!error) action();
  };
  step([&] { acceptor.open(at.protocol(), error); });
  step([&] { acceptor.set_option(tcp::acceptor::reuse_address(true), error); });
  step([&] { acceptor.bind(at, error); });
  step([&] { acceptor.listen(asio::socket_base::max_listen_connections, error); });
  step([&] { acceptor.non_blocking(true, error); });
  tcp::endpoint bound = error ? tcp::endpoint() : acceptor.local_endpoint(error);
  if (error) {
    return fail("listen_failed", fmt::format("cannot listen on {}:{}: {}", at.address().to_string(),
                                             at.port(), error.message()));
  }
  spawn(acceptor.get_executor(), state_->accept_all(state_), "http.accept");
  return bound;
}

void Server::drain() {
  const auto state = state_;
  if (state->core->draining.exchange(true)) return;
  asio::post(state->core->shards[0]->loop, [state] {
    state->accept_waiting();
    ErrorCode ignored;
    if (state->acceptor) state->acceptor->close(ignored);
  });
  on_each_shard(state->core, [](Connection& connection) { connection.drain(); });
}

void Server::stop() {
  drain();
  state_->core->stopped = true;
  on_each_shard(state_->core, [](Connection& connection) { connection.stop(); });
}

std::size_t Server::busy() const {
  return state_->core->busy;
}
std::size_t Server::connections() const {
  return state_->core->open;
}

}  // namespace postern::http
