#include "agent/keeper.hpp"

#include <boost/asio/as_tuple.hpp>

#include <algorithm>

#include "agent/dial_relay.hpp"
#include "agent/sleep_watch.hpp"
#include "base/heap.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::agent {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr Duration kProbeTime = std::chrono::seconds(2);
constexpr Duration kFinishing = std::chrono::seconds(30);
constexpr Duration kFinishingLook = std::chrono::milliseconds(20);

Uuid fresh_uuid(Random& random) {
  Uuid uuid;
  random.fill(reinterpret_cast<char*>(uuid.data()), uuid.size());
  return uuid;
}

}  // namespace

Keeper::Keeper(Parts parts, Identity identity, std::shared_ptr<Forwarder> forwarder, Settings settings)
    : parts_(parts),
      identity_(std::move(identity)),
      forwarder_(std::move(forwarder)),
      settings_(std::move(settings)),
      instance_(settings_.predecessor ? settings_.predecessor->instance : fresh_uuid(parts_.random)),
      previous_instance_(settings_.predecessor ? settings_.predecessor->previous_instance
                                               : identity_.instance),
      ended_(parts_.loop, asio::steady_timer::time_point::max()),
      status_tick_(parts_.loop),
      sleep_tick_(parts_.loop),
      dials_again_(parts_.loop, asio::steady_timer::time_point::max()),
      role_(settings_.predecessor ? Role::heir : Role::owner) {
  identity_.instance = instance_;
  if (settings_.predecessor)
    identity_.generation = std::max(identity_.generation, settings_.predecessor->generation);
  parts_.board.status().relay = identity_.relay.to_string();
  parts_.board.status().agent_id = identity_.agent_id.to_string();
  rotations_.resize(settings_.sessions);
  for (std::size_t i = 0; i < settings_.sessions; ++i)
    lanes_.push_back(std::make_shared<Lane>(*this, i, parts_.loop.get_executor(), parts_.random));
}

asio::awaitable<int> Keeper::run() {
  const auto self = shared_from_this();
  const auto executor = parts_.loop.get_executor();
  running_ = true;
  save();  // which process this is, before the relay learns of it
  spawn(executor, keep_status(self), "agent.status");
  spawn(executor, watch_sleep(self), "agent.sleep");
  running_lanes_ = 1;
  spawn(executor, run_lane(self, lanes_.front()), "agent.lane");
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (running_lanes_ > 0) co_await ended_.async_wait(token);
  co_await finish_calls();
  if (stopping_) exit_status_ = kExitBrokenOff;
  running_ = false;
  status_tick_.cancel();
  sleep_tick_.cancel();
  const int exit_status = exit_status_.value_or(0);
  parts_.board.enter(exit_status == kExitRevoked ? Phase::revoked : Phase::stopped);
  co_return exit_status;
}

/// One that ends by a fault takes the others with it: nobody would notice that it is missing.
asio::awaitable<void> Keeper::run_lane(std::shared_ptr<Keeper> self, std::shared_ptr<Lane> lane) {
  try {
    co_await lane->run();
  } catch (...) {
    self->exit_status_ = kExitBrokenOff;
    for (const auto& other : self->lanes_) other->cut("The agent failed.");
    if (--self->running_lanes_ == 0) self->ended_.cancel();
    throw;  // logged by whoever spawned this
  }
  if (--self->running_lanes_ == 0) self->ended_.cancel();
}

/// Calls that have lost their stream: what comes of them is for the journal.
asio::awaitable<void> Keeper::finish_calls() {
  const Duration most = role_ == Role::gone && !told_to_end_ ? kLastCall : kFinishing;
  finish_by_ = std::min(finish_by_, parts_.clock.steady() + most);  // sooner, when told to end before
  asio::steady_timer timer(parts_.loop);
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!forwarder_->under_way().empty() && !stopping_ && parts_.clock.steady() < finish_by_) {
    timer.expires_after(kFinishingLook);
    co_await timer.async_wait(token);
  }
}

asio::awaitable<Result<tcp::socket>> Keeper::dial(std::size_t lane) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (true) {
    while (gives_way() && !is_ending()) co_await dials_again_.async_wait(token);
    if (is_ending()) co_return fail("stopping", "The agent is stopping.");
    std::vector<tcp::endpoint> taken;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
      if (i != lane && lanes_[i]->remote() != nullptr) taken.push_back(*lanes_[i]->remote());
    }
    auto socket = co_await dial_relay(identity_.relay, parts_.proxies, std::move(taken));
    if (!gives_way()) co_return socket;
  }
}

Result<std::shared_ptr<Link>> Keeper::start(std::size_t lane, tcp::socket socket) {
  const auto tls = relay_tls(identity_.trust(), identity_.relay);
  if (!tls) return std::unexpected(tls.error());
  const tunnel::ConnectionEnv env{parts_.clock, parts_.random, parts_.limits};
  const auto weak = weak_from_this();
  Link::Told told;
  told.opened = [weak, lane](const tunnel::Admission& admission) {
    if (const auto self = weak.lock()) self->opened(lane, admission);
  };
  told.rotation_asked = [weak, lane] {
    if (const auto self = weak.lock()) self->rotation_asked(lane);
  };
  told.rotated = [weak](const tunnel::RotateAnswer& answer) {
    if (const auto self = weak.lock()) self->rotated(answer);
  };
  return Link::start(std::move(socket), *tls, env, credential(lane), forwarder_, std::move(told));
}

bool Keeper::has_another_secret(std::size_t lane) {
  return rotations_[lane].refused(identity_);
}

tunnel::AgentConnection::Credential Keeper::credential(std::size_t lane) {
  tunnel::AgentConnection::Credential credential;
  credential.kind = tunnel::Identity::agent;
  credential.id = identity_.agent_id.uuid;
  SecretPick pick = rotations_[lane].pick(identity_);
  credential.secret = std::move(pick.secret);
  credential.key_epoch = pick.key_epoch;
  credential.instance_id = instance_;
  credential.connection_index = static_cast<std::uint32_t>(lane);
  credential.previous_instance_id = previous_instance_;
  credential.generation = identity_.generation;
  credential.software = "postern-agent/" POSTERN_VERSION;
  credential.moving = true;
  credential.probe = true;
  credential.journal = true;
  return credential;
}

void Keeper::opened(std::size_t lane, const tunnel::Admission& admission) {
  rotations_[lane].admitted(identity_);
  // Sessions that log in side by side get their numbers in any order.
  identity_.generation = std::max(identity_.generation, admission.generation);
  if (!admission.relay_pins.empty()) identity_.pins = admission.relay_pins;
  save();  // it works without; only a copy of the state would be harder to notice
  // It may have changed while this connection was made.
  for (const auto& each : lanes_) each->grant(parts_.limits.session.max_deliveries);
  if (!identity_.next_secret.empty() || parts_.state_dir.rotation_asked()) rotate(lane);
  Status& status = parts_.board.status();
  ++status.sessions;
  status.last_error.reset();
  outlook_ = Outlook::normal;
  log::info("agent.connected", {{"relay", status.relay},
                                {"agent", status.agent_id},
                                {"generation", admission.generation},
                                {"session", status.sessions}});
  if (settings_.on_session) settings_.on_session(admission.generation);
  if (status.sessions > 1) return;
  if (settings_.on_first_session) settings_.on_first_session();
  open_other_lanes();
}

void Keeper::open_other_lanes() {
  for (std::size_t i = 1; i < lanes_.size() && !is_ending(); ++i) {
    ++running_lanes_;
    spawn(parts_.loop.get_executor(), run_lane(shared_from_this(), lanes_[i]), "agent.lane");
  }
}

void Keeper::changed() {
  const auto connected =
      std::ranges::count_if(lanes_, [](const auto& lane) { return lane->state() == Lane::State::connected; });
  parts_.board.status().sessions_open = static_cast<std::size_t>(connected);
  parts_.board.enter(phase());
}

Phase Keeper::phase() const {
  if (draining_) return Phase::draining;
  const auto any = [this](Lane::State state) {
    return std::ranges::any_of(lanes_, [state](const auto& lane) { return lane->state() == state; });
  };
  if (any(Lane::State::connected)) return Phase::connected;
  if (outlook_ == Outlook::revoked) return Phase::revoked;
  if (outlook_ == Outlook::replaced) return Phase::replaced;
  return any(Lane::State::connecting) ? Phase::connecting : Phase::waiting;
}

bool Keeper::failed(const SessionEnd& end, const NextTry& next, unsigned failures) {
  // The relay has sent it away for the heir's sake; if that comes to nothing, it dials at once.
  if (gives_way()) return false;
  if (settings_.on_failure) settings_.on_failure({end.reason.code, end.reason.message});
  outlook_ = next.outlook;
  report(end, next, failures);
  parts_.board.enter(phase());
  // Another session has proven the same secret: this node has not heard of it yet.
  if (is_connected() || next.outlook != Outlook::revoked || !settings_.exit_on_revoked) return false;
  exit_status_ = kExitRevoked;
  for (const auto& lane : lanes_) lane->leave("drain", "The agent is stopping.");
  return true;
}

bool Keeper::save() {
  if (role_ != Role::owner && role_ != Role::giving) return true;
  const auto saved = parts_.state_dir.save(identity_);
  if (!saved) log::warn("agent.state_not_saved", {{"error", saved.error().message}});
  return saved.has_value();
}

void Keeper::report(const SessionEnd& end, const NextTry& next, unsigned failures) {
  const std::string wait = format_duration(std::chrono::duration_cast<std::chrono::milliseconds>(next.wait));
  const log::Fields fields = {
      {"relay", identity_.relay.to_string()}, {"agent", identity_.agent_id}, {"code", end.reason.code},
      {"message", end.reason.message},        {"failures", failures},        {"next_try_in", wait}};
  parts_.board.failed({end.reason.code, end.reason.message});
  switch (next.outlook) {
    case Outlook::normal:
      return log::warn(end.reason.authenticated ? "agent.disconnected" : "agent.connect_failed", fields);
    case Outlook::revoked:
      log::error("agent.refused", fields);
      log::error("agent.refused_hint",
                 {{"hint",
                   "The relay does not accept this agent. If it was revoked or deleted, "
                   "join again with a new token and --force; otherwise run doctor."}});
      return;
    case Outlook::replaced:
      log::error("agent.replaced", fields);
      log::error("agent.replaced_hint",
                 {{"hint",
                   "Another process holds the credential of this agent: a copy of its "
                   "state directory runs elsewhere. Stop one, or enrol each by itself."}});
      return;
  }
}

asio::awaitable<void> Keeper::keep_status(std::shared_ptr<Keeper> self) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (self->running_) {
    self->status_tick_.expires_after(kStatusPeriod);
    co_await self->status_tick_.async_wait(token);
    if (!self->running_) break;
    self->parts_.board.tick();
    self->rest();
    if (self->parts_.state_dir.rotation_asked()) self->rotate(0);
  }
}

/// What bodies leave behind is kept for the next ones; an agent that has nothing to do gives it back, once.
void Keeper::rest() {
  const Counters& counters = parts_.board.counters();
  const std::uint64_t ended = counters.answered + counters.not_sent + counters.maybe_sent;
  const bool idle = counters.in_flight == 0 && std::exchange(deliveries_ended_, ended) == ended;
  if (!std::exchange(resting_, idle) && idle) give_back_memory();
}

/// The relay may have given up while this machine slept; find out now and not at the next delivery.
asio::awaitable<void> Keeper::watch_sleep(std::shared_ptr<Keeper> self) {
  const auto token = asio::as_tuple(asio::use_awaitable);
  SleepWatch watch(suspended_since_boot());
  while (self->running_) {
    self->sleep_tick_.expires_after(SleepWatch::kLookEvery);
    co_await self->sleep_tick_.async_wait(token);
    if (!self->running_ || !watch.has_slept(suspended_since_boot())) continue;
    log::info("agent.woke_up");
    for (const auto& lane : self->lanes_) {
      lane->probe(kProbeTime);
      lane->wake();
    }
  }
}

void Keeper::grant(std::uint32_t deliveries) {
  parts_.limits.session.max_deliveries = share_of(deliveries, lanes_.size());
  for (const auto& lane : lanes_) lane->grant(parts_.limits.session.max_deliveries);
}

void Keeper::tell_health(std::span<const tunnel::AppHealth> apps) {
  if (role_ == Role::gone) return;
  std::vector<tunnel::AppHealth> told(apps.begin(), apps.end());
  for (auto& app : told) app.sessions = static_cast<std::uint32_t>(lanes_.size());
  for (const auto& lane : lanes_) lane->health(told);
}

void Keeper::describe(Status& status) const {
  status.granted = parts_.limits.session.max_deliveries * lanes_.size();
  status.session_list.clear();
  for (const auto& lane : lanes_) status.session_list.push_back(lane->describe(parts_.clock));
}

void Keeper::drain() {
  told_to_end_ = true;
  finish_by_ = std::min(finish_by_, parts_.clock.steady() + kFinishing);
  if (std::exchange(draining_, true)) return;
  log::info("agent.draining", {{"in_flight", parts_.board.counters().in_flight}});
  parts_.board.enter(Phase::draining);
  dials_again_.cancel();
  for (const auto& lane : lanes_) lane->leave("drain", "The agent is stopping.");
}

void Keeper::stop() {
  stopping_ = true;
  drain();
  for (const auto& lane : lanes_) lane->cut("The agent has stopped.");
}

}  // namespace postern::agent
