#include "agent/predecessor.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

/// It was told to stop, and so is this process.
constexpr std::string_view kStopped = "ended with status 0";
constexpr Duration kLook = std::chrono::milliseconds(10);
/// A process closes its files a moment before anybody can hear how it ended.
constexpr Duration kDying = std::chrono::milliseconds(50);
/// Its GOAWAYs are to be with the relay before what it gives back: that goes to no session of this process
/// again.
constexpr Duration kGoAwayFirst = std::chrono::milliseconds(50);

bool is_held_by_another(const std::filesystem::path& lock_file) {
  const std::string text = FileLock::holder(lock_file).value_or("");
  pid_t signer = 0;
  std::from_chars(text.data(), text.data() + text.size(), signer);
  return signer > 0 && signer != ::getpid() && (::kill(signer, 0) == 0 || errno != ESRCH);
}

}  // namespace

Predecessor::Predecessor(Parts parts) : parts_(std::move(parts)), news_(parts_.executor) {}

void Predecessor::begin() {
  if (std::exchange(under_way_, true)) return;
  if (parts_.keeper->role() != Keeper::Role::owner || parts_.keeper->is_ending()) {
    under_way_ = false;
    return;
  }
  spawn(parts_.executor, run(shared_from_this()), "agent.upgrade");
}

void Predecessor::abandon() {
  if (channel_ && !taken_) channel_->send(HandoverType::withdrawn);
  if (channel_) channel_->finish(kLastWords);
  if (successor_ && !taken_) successor_->end();
  if (parts_.results.has_heir() && !taken_) take_back();
  if (taken_) take_after();
  parts_.results.drop_heir();
}

asio::awaitable<void> Predecessor::run(std::shared_ptr<Predecessor> self) {
  self->ready_ = self->handed_ = self->taken_ = self->closed_ = false;
  self->trouble_.clear();
  self->parts_.keeper->give_way();
  auto done = co_await self->hand_over();
  if (done) {
    co_await self->leave();
    co_await self->outlive();
    co_return;
  }
  self->go_on(std::move(done.error()));
  self->under_way_ = false;
}

asio::awaitable<Result<void>> Predecessor::hand_over() {
  if (auto started = start(); !started) co_return started;
  log::info("agent.upgrade", {{"successor", successor_->pid()}});
  co_await wait_for(ready_, parts_.limits.ready);
  if (closed_) co_await pause(kDying);
  if (!ready_) co_return std::unexpected(not_done("was not connected"));
  if (parts_.keeper->is_ending()) co_return fail("stopping", "The agent is stopping.");
  if (auto whole = parts_.results.settle(); !whole) co_return whole;
  hand();
  co_await wait_for(taken_, parts_.limits.taken);
  if (closed_) co_await pause(kDying);
  if (!taken_) co_return std::unexpected(not_done("did not take over"));
  co_return Result<void>();
}

Result<void> Predecessor::start() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return fail("not_started", fmt::format("There is no socket for it: {}.", std::strerror(errno)));
  auto started = parts_.start(ends[1]);
  ::close(ends[1]);
  if (!started) {
    ::close(ends[0]);
    return std::unexpected(started.error());
  }
  successor_.emplace(std::move(*started));
  channel_ = std::make_shared<HandoverChannel>(parts_.executor, ends[0]);
  const auto weak = weak_from_this();
  channel_->start({[weak](const HandoverFrame& frame) {
                     if (const auto self = weak.lock()) self->told(frame);
                   },
                   [weak](const Result<void>& how) {
                     const auto self = weak.lock();
                     if (!self) return;
                     if (!how) log::error("agent.successor", {{"error", how.error().message}});
                     self->closed_ = true;
                     self->news_.cancel();
                   }});
  channel_->send(HandoverType::greeting, encode_greeting(parts_.keeper->greeting()));
  return {};
}

void Predecessor::told(const HandoverFrame& frame) {
  if (frame.type == HandoverType::trouble) trouble_ = frame.payload;
  if (frame.type == HandoverType::ready) ready_ = true;
  if (frame.type == HandoverType::taken) taken_ = true;
  if (frame.type == HandoverType::logged_in) {
    if (const auto generation = decode_generation(frame.payload)) parts_.keeper->heir_logged_in(*generation);
  }
  news_.cancel();
}

/// Until it is so, the successor is gone, or the time is up.
asio::awaitable<void> Predecessor::wait_for(const bool& what, Duration limit) {
  const SteadyTime until = parts_.clock.steady() + limit;
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!what && !closed_ && parts_.clock.steady() < until) {
    news_.expires_after(until - parts_.clock.steady());
    co_await news_.async_wait(token);
  }
}

asio::awaitable<void> Predecessor::pause(Duration duration) {
  asio::steady_timer timer(parts_.executor, duration);
  const auto token = asio::as_tuple(asio::use_awaitable);
  co_await timer.async_wait(token);
}

ResultKeeper::Heir Predecessor::heir() const {
  ResultKeeper::Heir heir;
  heir.ended = [channel = channel_](DeliveryId id, const Outcome& outcome) {
    if (const auto payload = encode_outcome(id, outcome)) {
      channel->send(HandoverType::outcome, *payload);
    } else {
      channel->send(HandoverType::left, id.bytes());
    }
  };
  heir.left = [channel = channel_](DeliveryId id) { channel->send(HandoverType::left, id.bytes()); };
  heir.acknowledged = [channel = channel_](std::span<const tunnel::ResultAck> acks) {
    channel->send(HandoverType::acked, encode_acks(acks));
  };
  return heir;
}

void Predecessor::hand() {
  handed_ = true;
  parts_.forwarder->hold({});
  parts_.keeper->part();
  parts_.board.leave_file(true);
  parts_.handed(true);
  parts_.results.hand_over(heir());
  channel_->send(HandoverType::acked, encode_acks(parts_.results.committed()));
  channel_->send(HandoverType::handed, encode_ids(parts_.forwarder->under_way()));
}

asio::awaitable<void> Predecessor::leave() {
  log::info("agent.upgraded", {{"successor", successor_->pid()}});
  parts_.manager.succeeded_by(successor_->pid());
  successor_->release();
  const SteadyTime until = parts_.clock.steady() + parts_.limits.overlap;
  while (!parts_.keeper->all_left() && parts_.clock.steady() < until) co_await pause(kLook);
  parts_.keeper->become_gone();
  co_await pause(kGoAwayFirst);
  parts_.forwarder->refuse();
}

/// Until this process ends; sooner, when the successor does.
asio::awaitable<void> Predecessor::outlive() {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!closed_) {
    news_.expires_at(asio::steady_timer::time_point::max());
    co_await news_.async_wait(token);
  }
  co_await pause(kDying);
  if (const auto exit_status = take_after()) parts_.keeper->heir_ended(*exit_status);
}

/// Returns the exit status; nullopt when somebody else has the journal: the successor, or its own successor,
/// which has signed the lock.
std::optional<int> Predecessor::take_after() {
  const auto how = successor_->ended();
  if (!how || !parts_.results.has_heir() || is_held_by_another(parts_.lock_file)) return std::nullopt;
  take_back();
  parts_.board.leave_file(false);
  if (*how == kStopped) return 0;
  Error died{"upgrade_failed",
             fmt::format("The new program took over, and {}.", how->empty() ? "is gone" : *how)};
  log::error("agent.successor_died",
             {{"error", died.message}, {"hint", "Nobody serves. Start the agent again."}});
  parts_.board.status().failed_upgrade = {parts_.clock.now(), std::move(died)};
  parts_.board.tick();
  return kExitBrokenOff;
}

void Predecessor::take_back() {
  if (const auto taken_back = parts_.results.take_back(parts_.journal); !taken_back)
    log::error("agent.journal", {{"error", taken_back.error().message}});
  if (const auto own = parts_.lock.sign(parts_.lock_file); !own)
    log::warn("agent.lock", {{"error", own.error().message}});
}

void Predecessor::go_on(Error why) {
  if (channel_) channel_->send(HandoverType::withdrawn);
  if (successor_) successor_->end();
  successor_.reset();
  if (channel_) channel_->close();
  channel_.reset();
  log::error("agent.upgrade_failed",
             {{"error", why.message}, {"hint", "The agent goes on as it was before."}});
  parts_.board.status().failed_upgrade = {parts_.clock.now(), std::move(why)};
  if (handed_) take_back();
  parts_.board.leave_file(false);
  parts_.handed(false);
  parts_.keeper->go_on();
  parts_.forwarder->release();
  parts_.board.tick();
}

/// Ends the successor, if it has not ended by itself.
Error Predecessor::not_done(std::string_view what) {
  channel_->send(HandoverType::withdrawn);
  const std::string ended = successor_->end();
  std::string message = ended.empty() ? fmt::format("The new program {} in time", what)
                                      : fmt::format("The new program {}, and {}", what, ended);
  message += trouble_.empty() ? "; its log is this agent's." : ": " + trouble_;
  return {"upgrade_failed", std::move(message)};
}

}  // namespace postern::agent
