#include "agent/lane.hpp"

#include <boost/asio/as_tuple.hpp>

#include <algorithm>

namespace postern::agent {

namespace asio = boost::asio;

namespace {

/// Between moves, and tries at one: the old session may be gone in a second, or be asked to move again and
/// again.
constexpr Duration kMovingPause = std::chrono::milliseconds(200);
constexpr Duration kMovingPauseMost = std::chrono::seconds(5);
/// Another session has proven the same secret: a node that refuses it has not heard of it yet.
constexpr Duration kRefusedBeside = std::chrono::seconds(5);

std::string_view to_text(Lane::State state) {
  switch (state) {
    case Lane::State::connecting:
      return "connecting";
    case Lane::State::connected:
      return "connected";
    case Lane::State::waiting:
      return "waiting";
    case Lane::State::idle:
      break;
  }
  return "idle";
}

SessionEnd never_reached(const Error& error) {
  SessionEnd end;
  end.reason.code = error.code;
  end.reason.message = error.message;
  return end;
}

}  // namespace

Lane::Lane(LaneHome& home, std::size_t index, const asio::any_io_executor& executor, Random& random)
    : home_(home), index_(index), policy_(random), nap_(executor) {}

asio::awaitable<void> Lane::run() {
  const auto self = shared_from_this();
  while (!home_.is_ending()) {
    const SessionEnd end = co_await hold_session();
    if (home_.is_ending()) break;
    const NextTry next = policy_.after(end);
    enter(State::waiting);
    if (home_.failed(end, next, policy_.failures())) break;
    const bool beside = next.outlook == Outlook::revoked && home_.is_connected();
    co_await sleep(beside ? std::min(next.wait, kRefusedBeside) : next.wait);
  }
  enter(State::idle);
  co_await finish();
}

/// From dialling to the end of a session, through any number of moves.
asio::awaitable<SessionEnd> Lane::hold_session() {
  enter(State::connecting);
  SessionEnd end = co_await open();
  if (!link_) co_return end;
  enter(State::connected);
  Duration pause = kMovingPause;
  while (!link_->is_over() && !link_->has_left()) {
    if (link_->wants_to_move() && !home_.is_ending()) {
      co_await move_on(pause);
      pause = std::min(2 * pause, kMovingPauseMost);
    } else {
      co_await link_->news();
    }
  }
  end = link_->end();
  if (!link_->is_over()) finishing_.push_back(link_);
  link_.reset();
  co_return end;
}

/// Sets link_ to a session that stands; otherwise it is null, or the older one, and the end says why.
asio::awaitable<SessionEnd> Lane::open() {
  SessionEnd end = co_await try_open();
  while (end.reason.code == "auth_failed" && !home_.is_ending() && home_.has_another_secret(index_))
    end = co_await try_open();
  co_return end;
}

asio::awaitable<SessionEnd> Lane::try_open() {
  auto socket = co_await home_.dial(index_);
  if (!socket) co_return never_reached(socket.error());
  if (home_.is_ending()) co_return SessionEnd();
  auto started = home_.start(index_, std::move(*socket));
  if (!started) co_return never_reached(started.error());
  const auto link = std::move(*started);
  const auto older = std::exchange(link_, link);
  if (older) finishing_.push_back(older);
  co_await link->news();
  if (link->is_open()) co_return SessionEnd();
  link_ = older && !older->is_over() ? older : nullptr;
  if (older) std::erase(finishing_, older);
  co_return link->end();
}

/// One try at a second session. The first goes on meanwhile, and is left once the second stands.
asio::awaitable<void> Lane::move_on(Duration pause) {
  const auto older = link_;
  co_await open();
  if (link_ == nullptr) link_ = older;  // it is over by now
  if (link_ != older) older->leave("moved", "The agent has another session.");
  if (!link_->is_over() && !link_->has_left()) co_await sleep(pause);
}

asio::awaitable<void> Lane::finish() {
  if (link_) finishing_.push_back(std::exchange(link_, nullptr));
  while (!finishing_.empty()) {
    const auto link = finishing_.back();
    while (!link->is_over()) co_await link->news();
    std::erase(finishing_, link);
  }
}

asio::awaitable<void> Lane::sleep(Duration wait) {
  if (home_.is_ending()) co_return;
  nap_.expires_after(wait);
  const auto token = asio::as_tuple(asio::use_awaitable);
  co_await nap_.async_wait(token);
  std::erase_if(finishing_, [](const auto& link) { return link->is_over(); });
}

void Lane::leave(std::string_view code, std::string_view message) {
  nap_.cancel();
  each([&](Link& link) { link.leave(code, message); });
}

void Lane::cut(std::string_view message) {
  nap_.cancel();
  each([&](Link& link) { link.cut(message); });
}

void Lane::drop_login() {
  if (link_ && !link_->is_open()) link_->cut("Another process of this agent logs in.");
}

void Lane::wake() {
  nap_.cancel();
}

void Lane::probe(Duration limit) {
  each([&](Link& link) { link.probe(limit); });
}

void Lane::grant(std::uint32_t deliveries) {
  each([&](Link& link) { link.grant(deliveries); });
}

void Lane::rotate(const tunnel::RotateRequest& request) {
  if (link_) link_->rotate(request);
}

void Lane::health(std::span<const tunnel::AppHealth> apps) {
  each([&](Link& link) { link.health(apps); });
}

void Lane::move() {
  if (link_) link_->move();
}

const asio::ip::tcp::endpoint* Lane::remote() const {
  return link_ ? &link_->remote() : nullptr;
}

SessionStatus Lane::describe(const Clock& clock) const {
  SessionStatus status{.state = to_text(state_)};
  if (state_ == State::connected && link_ && link_->is_open()) link_->describe(status, clock);
  return status;
}

void Lane::enter(State state) {
  if (std::exchange(state_, state) != state) home_.changed();
}

}  // namespace postern::agent
