#include "relay/tunnel/hub_session.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <boost/asio/dispatch.hpp>

#include "base/log.hpp"
#include "relay/tunnel/agent_answer.hpp"
#include "relay/tunnel/credential_desk.hpp"
#include "relay/tunnel/enrollment_desk.hpp"

namespace postern::relay {

namespace asio = boost::asio;

namespace {

std::string claimed_id(const tunnel::Hello& hello) {
  return hello.kind == tunnel::Identity::join ? JoinId{hello.id}.to_string() : AgentId{hello.id}.to_string();
}

std::string peer_of(const asio::ip::tcp::socket& socket) {
  boost::system::error_code ec;
  const auto endpoint = socket.remote_endpoint(ec);
  if (ec) return "unknown";
  const auto address = endpoint.address().to_string();
  return fmt::format(fmt::runtime(endpoint.address().is_v6() ? "[{}]:{}" : "{}:{}"), address,
                     endpoint.port());
}

asio::ip::address source_of(const asio::ip::tcp::socket& socket) {
  boost::system::error_code ec;
  return socket.remote_endpoint(ec).address();
}

/// An agent ahead of the store (a restored backup) keeps its number growing all the same.
std::uint64_t next_generation(std::uint64_t stored, std::uint64_t shown) {
  constexpr std::uint64_t kSane = std::uint64_t{1} << 62;
  return std::min(std::max(stored, shown), kSane) + 1;
}

/// Codes that say that somebody claimed what they could not prove.
bool is_guess(std::string_view code) {
  return code == "auth_failed";
}

}  // namespace

void HubSession::start(const std::shared_ptr<HubCore>& core, asio::ip::tcp::socket socket,
                       HandshakeGate::Place place) {
  if (core->draining) return;  // accepted just before the end
  auto session = std::make_shared<HubSession>(core, socket, std::move(place));
  tunnel::RelayConnection::Options options;
  TunnelTls tls = core->tls.current();
  options.handshake = {core->options.relay_id, core->decoy_key, core->options.limits.session.stream_window,
                       core->options.limits.session.session_window, std::move(tls.pins)};
  session->connection_ = tunnel::RelayConnection::start(std::move(socket), tls.context,
                                                        {core->clock, core->random, core->options.limits},
                                                        std::move(options), session);
  // Now that closed() is sure to come, and to take it out again.
  core->registry.add_connection(session);
  core->metrics.connections.Increment();
}

HubSession::HubSession(std::shared_ptr<HubCore> core, const asio::ip::tcp::socket& socket,
                       HandshakeGate::Place place)
    : core_(std::move(core)),
      executor_(const_cast<asio::ip::tcp::socket&>(socket).get_executor()),
      source_(source_of(socket)),
      peer_(peer_of(socket)),
      place_(std::move(place)),
      deliveries_(
          std::make_shared<SessionDeliveries>(executor_, core_->clock, core_->options.waiting_per_session)) {}

void HubSession::deliver(AgentDeliveryPtr delivery, SteadyTime until, SessionDeliveries::Done done) {
  // Counted here and not on the loop: whoever picks a session next, a moment later, is to know of this one.
  ++assigned_;
  auto counted = [self = shared_from_this(), done = std::move(done)](AgentAnswer answer) {
    --self->assigned_;
    done(std::move(answer));
  };
  asio::dispatch(executor_, [self = shared_from_this(), delivery = std::move(delivery), until,
                             done = std::move(counted)]() mutable {
    self->deliveries_->add(std::move(delivery), until, std::move(done));
  });
}

void HubSession::acknowledge(tunnel::ResultAck ack) {
  {
    const std::lock_guard lock(acks_mutex_);
    acks_.push_back(ack);
    if (acks_.size() > 1) return;  // they are about to be told
  }
  asio::post(executor_, [self = shared_from_this()] { self->tell_acks(); });
}

void HubSession::tell_acks() {
  std::vector<tunnel::ResultAck> acks;
  {
    const std::lock_guard lock(acks_mutex_);
    acks.swap(acks_);
  }
  if (!connection_) return;
  for (const tunnel::ResultAck& ack : acks) connection_->acknowledge(ack);
}

void HubSession::close(std::string code, std::string message) {
  asio::post(executor_, [self = shared_from_this(), code = std::move(code), message = std::move(message)] {
    self->leave();
    if (self->connection_) self->connection_->close(code, message);
  });
}

void HubSession::go_away(tunnel::GoAway goaway) {
  asio::post(executor_, [self = shared_from_this(), goaway = std::move(goaway)] {
    self->leave();
    if (!self->connection_) return;
    // Who has not proved anything yet has nothing to finish, and would hold the end up by its silence.
    if (!self->authenticated_) return self->connection_->close(goaway.code, goaway.message);
    self->connection_->go_away(goaway);
  });
}

void HubSession::announce(tunnel::GoAway goaway) {
  asio::post(executor_, [self = shared_from_this(), goaway = std::move(goaway)] {
    const bool hears = (self->capabilities_ & tunnel::kCapabilityMoving) != 0;
    if (self->in_registry_ && hears && self->connection_) self->connection_->announce(goaway);
  });
}

void HubSession::check_access() {
  asio::post(executor_, [self = shared_from_this()] {
    if (self->in_registry_) self->confirm();
  });
}

void HubSession::look_up(const tunnel::Hello& hello, AccountReply reply) {
  claimed_ = claimed_id(hello);
  if (hello.kind == tunnel::Identity::join) {
    auto keep = [self = shared_from_this(), reply = std::move(reply)](std::optional<JoinVerifier> found) {
      self->join_ = std::move(found);
      reply(self->join_ ? std::optional(to_account(*self->join_, self->core_->clock.now())) : std::nullopt);
    };
    return find_join(executor_, core_, JoinId{hello.id}, std::move(keep));
  }
  verifier_ = core_->authority.find_agent(AgentId{hello.id});
  if (!verifier_) return reply(std::nullopt);
  verifier_ = proven_with(std::move(*verifier_), hello.key_epoch);
  verifier_->generation = std::max(verifier_->generation, core_->registry.generation(verifier_->agent_id));
  login_ = login_of(hello, peer_);
  login_.replicas = verifier_->replicas;
  tunnel::Account account;
  account.verifiers = {verifier_->stored_key, verifier_->server_key};
  account.agent_id = verifier_->agent_id;
  account.generation = next_generation(verifier_->generation, hello.generation);
  const auto last = core_->logins.last(verifier_->agent_id, verifier_->copy_cleared_at);
  if (verifier_->on_copy == OnCopy::deny && shows_a_copy(last, login_)) account.refusal = copied();
  reply(std::move(account));
}

void HubSession::enroll(const tunnel::Hello& hello, const tunnel::Account& account,
                        tunnel::EnrollRequest request, EnrollReply reply) {
  authenticated_ = true;
  auto tell = [self = shared_from_this(), agent = account.agent_id,
               reply = std::move(reply)](std::optional<tunnel::Refusal> refusal) {
    self->joined_ = !refusal;
    if (!refusal) self->core_->logins.forget(agent);
    self->core_->audit(
        self->audit_entry(refusal ? "agent.join_refused" : "agent.joined", refusal ? refusal->code : ""));
    log::info(refusal ? "agent.join_refused" : "agent.joined", {{"agent", agent},
                                                                {"join", self->claimed_},
                                                                {"peer", self->peer_},
                                                                {"code", refusal ? refusal->code : "ok"}});
    if (refusal && refusal->code == "already_used") self->token_reused(agent);
    if (!refusal) {
      // What was proven with the secret that has just been replaced counts no more.
      for (const auto& older : self->core_->registry.of(agent))
        older->close("revoked", "The agent has joined anew.");
    }
    reply(std::move(refusal));
  };
  claim_join(executor_, core_, JoinId{hello.id}, std::move(request), std::move(tell));
}

/// Somebody holds the join token and is not who joined with it: an entry under the agent's own name.
void HubSession::token_reused(AgentId agent) {
  log::warn("agent.token_reused", {{"agent", agent}, {"join", claimed_}, {"peer", peer_}});
  TunnelAudit entry = audit_entry("agent.token_reused", "already_used");
  entry.object = agent.to_string();
  core_->audit(entry);
}

void HubSession::opened(const tunnel::Hello& hello, const tunnel::Admission& admission) {
  place_ = {};
  authenticated_ = true;
  core_->metrics.handshake("ok");
  if (core_->draining)
    return connection_->go_away(
        {"shutdown", "The relay is stopping.", core_->options.return_after, core_->options.return_spread});
  verifier_->generation = login_.generation = admission.generation;
  seat_ = {hello.instance_id, hello.connection_index};
  capabilities_ = hello.capabilities;
  deliveries_->open(connection_, (capabilities_ & tunnel::kCapabilityJournal) != 0,
                    [weak = weak_from_this()] {
                      const auto self = weak.lock();
                      if (self && self->probe_) self->probe_->heard();
                    });
  in_registry_ = true;
  if (!core_->registry.live(admission.agent_id)) core_->apps.forget(admission.agent_id);
  const auto older = core_->registry.take(admission.agent_id, shared_from_this(), seat_, verifier_->replicas,
                                          admission.generation);
  for (const auto& session : older) fence(session);
  // Asked again now that disconnect() can find this session: a revocation falls either before this look or
  // after it.
  if (!confirm()) return;
  log::info("agent.connected", {{"agent", admission.agent_id},
                                {"peer", peer_},
                                {"software", hello.software},
                                {"generation", admission.generation}});
  record_login(executor_, core_, login_,
               [self = shared_from_this()](LoginFindings found) { self->login_recorded(found); });
  if ((capabilities_ & tunnel::kCapabilityProbe) != 0) return start_probe();
  set_live(true);
}

void HubSession::start_probe() {
  probe_ = std::make_shared<SessionProbe>(executor_, core_->clock, core_->random);
  const auto weak = weak_from_this();
  probe_->start(connection_, {[weak] {
                                if (const auto self = weak.lock()) self->set_live(true);
                              },
                              [weak](const std::string& why) {
                                if (const auto self = weak.lock()) self->set_live(false, why);
                              },
                              [weak] {
                                const auto self = weak.lock();
                                if (self)
                                  self->close("probe_failed", "Three probes in a row were not answered.");
                              }});
}

void HubSession::credit_available() {
  deliveries_->credit_available();
  if (probe_) probe_->credit_available();
}

void HubSession::set_live(bool live, const std::string& why) {
  if (!in_registry_) return;
  if (probe_) round_trip_ = probe_->round_trip().count();
  const AgentId agent = verifier_->agent_id;
  live_ = live;
  // How much apps take is known before there is anybody to deliver to.
  if (live) core_->health_live(agent, {seat_, this, true});
  const auto change = core_->registry.set_live(agent, shared_from_this(), live, why);
  if (!live) core_->health_live(agent, {seat_, this, false});
  for (const auto& older : change.older) {
    core_->health_ended(agent, {older->seat(), older.get()});
    fence(older);
  }
  core_->metrics.sessions.Set(static_cast<double>(core_->registry.session_count()));
  if (live) log::info("agent.live", {{"agent", agent}, {"peer", peer_}});
  if (!live) log::warn("agent.not_delivering", {{"agent", agent}, {"peer", peer_}, {"why", why}});
  if (change.news) core_->tell(agent, live);
}

SessionLoad HubSession::load() const {
  const std::uint32_t assigned = assigned_.load();
  const std::uint32_t capacity = deliveries_->capacity();
  return {assigned, capacity > assigned ? capacity - assigned : 0, Duration(round_trip_.load())};
}

void HubSession::fence(const std::shared_ptr<HubSession>& older) {
  log::warn("agent.session_replaced",
            {{"agent", verifier_->agent_id}, {"peer", peer_}, {"older_peer", older->peer_}});
  if (older->seat().instance != seat_.instance) core_->audit(audit_entry("agent.replaced", ""));
  // The same process has come by a newer way: what is under way on the older one may finish.
  if (older->seat() == seat_) return older->go_away({"replaced", "A newer session has taken over.", {}, {}});
  older->close("replaced", "A newer session of the same agent has taken over.");
}

void HubSession::login_recorded(LoginFindings found) {
  if (found.rotated) {
    core_->metrics.rotations.Increment();
    log::info("agent.secret_rotated",
              {{"agent", claimed_}, {"peer", peer_}, {"key_epoch", login_.key_epoch}});
    core_->audit(audit_entry("agent.secret_rotated", ""));
  }
  const bool deny = verifier_->on_copy == OnCopy::deny;
  if (!found.copy || !deny) core_->logins.remember(login_, core_->clock.now());
  if (!found.copy) return;
  copy_alarm(deny ? "agent.copy_refused" : "agent.copy_suspected");
  if (deny) close(copied().code, copied().message);
}

void HubSession::copy_alarm(std::string_view action) {
  core_->metrics.copies.Increment();
  log::warn(action, {{"agent", claimed_}, {"peer", peer_}, {"generation_shown", login_.shown}});
  core_->audit(audit_entry(std::string(action), ""));
}

void HubSession::rotate(tunnel::RotateRequest request, RotateReply reply) {
  if (verifier_->replicas)
    return reply(tunnel::Refusal{
        "replicas", "The secret of an agent with replicas is changed by joining anew.", false, {}});
  keep_next_secret(executor_, core_, *verifier_, std::move(request), std::move(reply));
}

bool HubSession::confirm() {
  const auto now = core_->authority.find_agent(verifier_->agent_id);
  if (now && (now->stored_key == verifier_->stored_key || now->next_stored_key == verifier_->stored_key)) {
    // One that has just proven the next secret has done so already; the catalog only does not know it yet.
    const bool wanted = now->stored_key == verifier_->stored_key &&
                        wants_rotation(*now, core_->clock.now(), core_->options.rotate_after);
    if (wanted && connection_ && !std::exchange(rotation_asked_, true)) connection_->ask_rotation();
    return true;
  }
  log::info("agent.access_withdrawn", {{"agent", claimed_}, {"peer", peer_}});
  if (now && now->key_epoch > verifier_->key_epoch) {
    // Its holder knows the new one, and what is in flight may finish.
    go_away({"rotated", "The agent has another secret now.", {}, {}});
  } else {
    close("revoked", "The agent's access has been withdrawn.");
  }
  return false;
}

void HubSession::health(std::vector<tunnel::AppHealth> apps) {
  if (in_registry_) core_->health(verifier_->agent_id, {seat_, this, live_}, std::move(apps));
}

void HubSession::going_away(const tunnel::GoAway& goaway) {
  log::info("agent.leaving", {{"agent", claimed_}, {"peer", peer_}, {"code", goaway.code}});
  leave();
}

/// From here on nothing new comes to this session; what is on the wire may finish.
void HubSession::leave() {
  if (std::exchange(in_registry_, false)) {
    const bool was_last = core_->registry.drop(verifier_->agent_id, shared_from_this());
    core_->metrics.sessions.Set(static_cast<double>(core_->registry.session_count()));
    core_->health_ended(verifier_->agent_id, {seat_, this});
    if (was_last) core_->tell(verifier_->agent_id, false);
  }
  if (probe_) probe_->stop();
  deliveries_->leave();
}

void HubSession::closed(const tunnel::CloseReason& reason) {
  place_ = {};
  leave();
  deliveries_->end();
  connection_.reset();
  core_->registry.remove_connection(shared_from_this());
  core_->metrics.connections.Decrement();
  if (!authenticated_) return refused(reason);
  if (verifier_) {
    core_->metrics.session_ended(reason.code);
    log::info("agent.disconnected",
              {{"agent", claimed_}, {"peer", peer_}, {"code", reason.code}, {"message", reason.message}});
  } else {
    core_->metrics.handshake(joined_ ? "joined" : "join_failed");
  }
}

void HubSession::refused(const tunnel::CloseReason& reason) {
  core_->metrics.handshake(reason.code);
  if (reason.code == copied().code && verifier_) {
    copy_alarm("agent.copy_refused");
    return record_copy(executor_, core_, verifier_->agent_id, peer_);
  }
  const log::Fields fields = {
      {"claimed", claimed_}, {"peer", peer_}, {"code", reason.code}, {"message", reason.message}};
  // Guesses are rationed; anything else any stranger can do as often as he likes, and must not fill a disk
  // with.
  if (!is_guess(reason.code)) return log::debug("tunnel.handshake_failed", fields);
  log::info("tunnel.handshake_failed", fields);
  core_->limiter.failed(source_);
  core_->audit(
      audit_entry(claimed_.starts_with("jn_") ? "agent.join_refused" : "agent.login_refused", reason.code));
}

TunnelAudit HubSession::audit_entry(std::string action, std::string code) const {
  TunnelAudit entry{std::move(action), std::nullopt, claimed_, std::move(code), peer_};
  if (verifier_) entry.workspace_id = verifier_->workspace_id;
  if (join_) entry.workspace_id = join_->workspace_id;
  return entry;
}

}  // namespace postern::relay
