#include "agent/keeper.hpp"

#include <time.h>

#include <boost/asio/as_tuple.hpp>

#include "agent/dial.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

constexpr Duration kProbeTime = std::chrono::seconds(2);
constexpr Duration kFinishing = std::chrono::seconds(30);
constexpr Duration kFinishingLook = std::chrono::milliseconds(20);
constexpr Duration kSleptAtLeast = std::chrono::seconds(3);

Uuid fresh_uuid(Random& random) {
  Uuid uuid;
  random.fill(reinterpret_cast<char*>(uuid.data()), uuid.size());
  return uuid;
}

/// How long this machine has been suspended since it booted.
Duration suspended() {
  timespec boot{};
  timespec awake{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  ::clock_gettime(CLOCK_MONOTONIC, &awake);
  return std::chrono::seconds(boot.tv_sec - awake.tv_sec);
}

SessionEnd never_reached(const Error& error) {
  SessionEnd end;
  end.reason.code = error.code;
  end.reason.message = error.message;
  return end;
}

}  // namespace

/// What happens on one connection. Wakes whoever waits for its end.
class Keeper::Events final : public tunnel::AgentEvents {
 public:
  explicit Events(std::shared_ptr<Keeper> keeper)
      : over(keeper->parts_.loop, asio::steady_timer::time_point::max()), keeper_(std::move(keeper)) {}

  void opened(const tunnel::Admission& admission) override {
    opened_at_ = keeper_->parts_.clock.steady();
    keeper_->opened(admission);
  }
  void delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) override {
    keeper_->forwarder_->forward(std::move(delivery));
  }
  void acknowledged(std::span<const tunnel::ResultAck> acks) override {
    keeper_->forwarder_->acknowledged(acks);
  }
  void going_away(const tunnel::GoAway& goaway) override { end.goaway = goaway; }
  void closed(const tunnel::CloseReason& reason) override {
    end.reason = reason;
    if (opened_at_) end.lived = keeper_->parts_.clock.steady() - *opened_at_;
    is_over = true;
    over.cancel();
  }

  asio::steady_timer over;
  bool is_over = false;
  SessionEnd end;

 private:
  std::shared_ptr<Keeper> keeper_;
  std::optional<SteadyTime> opened_at_;
};

Keeper::Keeper(Parts parts, Identity identity, std::shared_ptr<Forwarder> forwarder, Settings settings)
    : parts_(parts),
      identity_(std::move(identity)),
      forwarder_(std::move(forwarder)),
      settings_(std::move(settings)),
      tls_(tunnel::TlsContext::client(identity_.pins)),
      instance_(fresh_uuid(parts_.random)),
      policy_(parts_.random),
      nap_(parts_.loop),
      tick_(parts_.loop) {
  parts_.board.status().relay = identity_.relay.to_string();
  parts_.board.status().agent_id = identity_.agent_id.to_string();
}

asio::awaitable<int> Keeper::run() {
  const auto self = shared_from_this();
  running_ = true;
  spawn(parts_.loop.get_executor(), keep_status(self), "agent.status");
  int exit_status = 0;
  while (!draining_) {
    parts_.board.enter(Phase::connecting);
    const SessionEnd end = co_await hold_session();
    if (draining_) break;
    const NextTry next = policy_.after(end);
    report(end, next);
    if (next.outlook == Outlook::revoked && settings_.exit_on_revoked) {
      exit_status = kExitRevoked;
      break;
    }
    co_await sleep(next.wait);
  }
  co_await finish_calls();
  if (stopping_) exit_status = kExitBrokenOff;
  running_ = false;
  tick_.cancel();
  parts_.board.enter(exit_status == kExitRevoked ? Phase::revoked : Phase::stopped);
  co_return exit_status;
}

/// Calls that have lost their stream: what comes of them is for the journal.
asio::awaitable<void> Keeper::finish_calls() {
  const SteadyTime end = parts_.clock.steady() + kFinishing;
  asio::steady_timer timer(parts_.loop);
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (forwarder_->running() > 0 && !stopping_ && parts_.clock.steady() < end) {
    timer.expires_after(kFinishingLook);
    co_await timer.async_wait(token);
  }
}

asio::awaitable<SessionEnd> Keeper::hold_session() {
  auto socket = co_await dial(identity_.relay);
  if (!socket) co_return never_reached(socket.error());
  if (draining_) co_return SessionEnd();
  auto events = std::make_shared<Events>(shared_from_this());
  const tunnel::ConnectionEnv env{parts_.clock, parts_.random, parts_.limits};
  connection_ = tunnel::AgentConnection::start(std::move(*socket), tls_, env, credential(), events);
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!events->is_over) co_await events->over.async_wait(token);
  connection_.reset();
  co_return events->end;
}

asio::awaitable<void> Keeper::sleep(Duration wait) {
  if (draining_) co_return;
  nap_.expires_after(wait);
  const auto token = asio::as_tuple(asio::use_awaitable);
  co_await nap_.async_wait(token);
}

tunnel::AgentConnection::Credential Keeper::credential() const {
  tunnel::AgentConnection::Credential credential;
  credential.kind = tunnel::Identity::agent;
  credential.id = identity_.agent_id.uuid;
  credential.secret = identity_.secret;
  credential.instance_id = instance_;
  credential.generation = identity_.generation;
  credential.software = "postern-agent/" POSTERN_VERSION;
  credential.journal = true;
  return credential;
}

void Keeper::opened(const tunnel::Admission& admission) {
  identity_.generation = admission.generation;
  if (const auto saved = parts_.state_dir.save(identity_); !saved) {
    // It works without; only a copy of the state would be harder to notice.
    log::warn("agent.state_not_saved", {{"error", saved.error().message}});
  }
  Status& status = parts_.board.status();
  ++status.sessions;
  status.last_error.reset();
  parts_.board.enter(draining_ ? Phase::draining : Phase::connected);
  log::info("agent.connected", {{"relay", status.relay},
                                {"agent", status.agent_id},
                                {"generation", admission.generation},
                                {"session", status.sessions}});
  if (status.sessions == 1 && settings_.on_first_session) settings_.on_first_session();
}

void Keeper::report(const SessionEnd& end, const NextTry& next) {
  const std::string wait = format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(next.wait));
  const log::Fields fields = {
      {"relay", identity_.relay.to_string()}, {"agent", identity_.agent_id},    {"code", end.reason.code},
      {"message", end.reason.message},        {"failures", policy_.failures()}, {"next_try_in", wait}};
  parts_.board.failed({end.reason.code, end.reason.message});
  switch (next.outlook) {
    case Outlook::normal:
      log::warn(end.reason.authenticated ? "agent.disconnected" : "agent.connect_failed", fields);
      return parts_.board.enter(Phase::waiting);
    case Outlook::revoked:
      log::error("agent.refused", fields);
      log::error("agent.refused_hint",
                 {{"hint",
                   "The relay does not accept this agent. If it was revoked or deleted, "
                   "join again with a new token and --force; otherwise run doctor."}});
      return parts_.board.enter(Phase::revoked);
    case Outlook::replaced:
      log::error("agent.replaced", fields);
      log::error("agent.replaced_hint",
                 {{"hint",
                   "Another process holds the credential of this agent: a copy of its "
                   "state directory runs elsewhere. Stop one, or enrol each by itself."}});
      return parts_.board.enter(Phase::replaced);
  }
}

asio::awaitable<void> Keeper::keep_status(std::shared_ptr<Keeper> self) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  Duration suspended_before = suspended();
  while (self->running_) {
    self->tick_.expires_after(kStatusPeriod);
    co_await self->tick_.async_wait(token);
    if (!self->running_) break;
    self->parts_.board.tick();
    const Duration suspended_now = suspended();
    // The relay may have given up while this machine slept; find out now and not at the next delivery.
    if (suspended_now - suspended_before >= kSleptAtLeast) {
      if (self->connection_) self->connection_->probe(kProbeTime);
      self->nap_.cancel();
    }
    suspended_before = suspended_now;
  }
}

void Keeper::drain() {
  if (std::exchange(draining_, true)) return;
  const bool was_connected = parts_.board.status().phase == Phase::connected;
  log::info("agent.draining", {{"in_flight", parts_.board.counters().in_flight}});
  parts_.board.enter(Phase::draining);
  nap_.cancel();
  if (!connection_) return;
  if (was_connected) {
    connection_->go_away({"drain", "The agent is stopping.", {}, {}});
  } else {
    connection_->close("closed_by_us", "The agent is stopping.");
  }
}

void Keeper::stop() {
  stopping_ = true;
  drain();
  if (connection_) connection_->close("closed_by_us", "The agent has stopped.");
}

}  // namespace postern::agent
