#include "agent/doctor_session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>

#include "agent/dial_relay.hpp"
#include "agent/secret_rotation.hpp"
#include "agent/status_view.hpp"

namespace postern::agent {

namespace asio = boost::asio;
namespace json = boost::json;

namespace {

constexpr const char* kBinding = "channel binding";
constexpr const char* kLogin = "authentication";
constexpr const char* kProbe = "probe";
constexpr Duration kProbeWait = std::chrono::seconds(10);

/// A session that is given back as soon as it has been probed.
class Visit final : public tunnel::AgentEvents {
 public:
  Visit(const asio::any_io_executor& executor, const Clock& clock)
      : clock_(clock), timer_(executor, asio::steady_timer::time_point::max()) {}

  asio::awaitable<void> over() {
    const auto token = asio::as_tuple(asio::use_awaitable);
    while (!is_over_) {
      const auto [ec] = co_await timer_.async_wait(token);
      if (ec || is_over_) continue;
      timer_.expires_at(asio::steady_timer::time_point::max());
      connection->close("closed_by_us", "That was a check.");
    }
  }

  void opened(const tunnel::Admission& given) override {
    admission = given;
    opened_at_ = clock_.steady();
    timer_.expires_after(kProbeWait);
  }
  void delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) override {
    if (!delivery->head().probe) return delivery->reset(tunnel::ResetCode::refused);
    tunnel::ResultHead passed;
    passed.outcome = tunnel::ResultOutcome::delivered;
    passed.status = 204;
    if (delivery->respond(passed, {})) probed_after = clock_.steady() - opened_at_;
    connection->go_away({"drain", "That was a check.", {}, {}});
  }
  void going_away(const tunnel::GoAway&) override {}
  void closed(const tunnel::CloseReason& why) override {
    reason = why;
    is_over_ = true;
    connection.reset();
    timer_.cancel();
  }

  std::shared_ptr<tunnel::AgentConnection> connection;
  std::optional<tunnel::Admission> admission;
  std::optional<Duration> probed_after;
  tunnel::CloseReason reason;

 private:
  const Clock& clock_;
  asio::steady_timer timer_;
  SteadyTime opened_at_{};
  bool is_over_ = false;
};

/// identity.instance is the visit's own, and on disk.
tunnel::AgentConnection::Credential credential_of(const Identity& identity, Uuid previous,
                                                  SecretRotation& rotation) {
  tunnel::AgentConnection::Credential credential;
  credential.kind = tunnel::Identity::agent;
  credential.id = identity.agent_id.uuid;
  SecretPick pick = rotation.pick(identity);
  credential.secret = std::move(pick.secret);
  credential.key_epoch = pick.key_epoch;
  credential.instance_id = identity.instance;
  credential.previous_instance_id = previous;
  credential.generation = identity.generation;
  credential.software = "postern-agent/" POSTERN_VERSION " doctor";
  credential.probe = true;
  return credential;
}

/// Binding, login and probe, where one of the first two failed.
void login_failed(std::vector<Check>& checks, Check failed) {
  const bool binding = failed.name == kBinding;
  if (!binding) checks.push_back(skipped(kBinding));
  checks.push_back(std::move(failed));
  if (binding) checks.push_back(skipped(kLogin));
  checks.push_back(skipped(kProbe));
}

Check refused(const tunnel::CloseReason& reason) {
  if (reason.code == "relay_not_proven") {
    return fails(
        kBinding, reason.message,
        "Something between here and the relay ends TLS. Let the connection through untouched (no TLS "
        "inspection).");
  }
  const bool unknown = reason.code == "auth_failed";
  return fails(
      kLogin, reason.message,
      unknown ? "The relay does not know this agent: it was revoked or deleted. Join again with a new token "
                "and --force."
              : "Read the relay's log at this moment; it names the peer address and this agent.");
}

Check probe_of(const Visit& visit) {
  if (visit.probed_after) {
    const auto after = std::chrono::duration<double, std::milli>(*visit.probed_after).count();
    return pass(kProbe,
                fmt::format("one came by the way of deliveries after {:.1f} ms, and was answered", after));
  }
  return fails(kProbe, fmt::format("the relay sent none ({})", visit.reason.code),
               "Deliveries would not come, either. Read the relay's log at this moment.");
}

/// One login; nothing when it is to be tried again with another secret.
asio::awaitable<std::shared_ptr<Visit>> visit_relay(JoinParts parts, Identity identity, Uuid previous,
                                                    SecretRotation& rotation, Error& error) {
  auto socket = co_await dial_relay(identity.relay, parts.proxies);
  if (!socket) {
    error = socket.error();
    co_return nullptr;
  }
  const auto tls = relay_tls(identity.trust(), identity.relay);
  if (!tls) {
    error = tls.error();
    co_return nullptr;
  }
  auto executor = co_await asio::this_coro::executor;
  auto visit = std::make_shared<Visit>(executor, parts.clock);
  const tunnel::ConnectionEnv env{parts.clock, parts.random, parts.limits};
  visit->connection = tunnel::AgentConnection::start(std::move(*socket), *tls, env,
                                                     credential_of(identity, previous, rotation), visit);
  co_await visit->over();
  co_return visit;
}

Check not_saved(const Error& error) {
  return fails(kLogin, error.message, "Make the state directory writable.");
}

asio::awaitable<void> log_in(JoinParts parts, Identity identity, std::vector<Check>& checks) {
  // Before the relay learns of it: whoever is next says that it follows this visit, however this one ends.
  // Otherwise the next one would look like a copy of the state, which knows nothing of it.
  const Uuid previous = identity.instance;
  parts.random.fill(reinterpret_cast<char*>(identity.instance.data()), identity.instance.size());
  if (const auto saved = parts.state_dir.save(identity); !saved)
    co_return login_failed(checks, not_saved(saved.error()));
  SecretRotation rotation;
  Error error;
  auto visit = co_await visit_relay(parts, identity, previous, rotation, error);
  if (visit && visit->reason.code == "auth_failed" && rotation.refused(identity))
    visit = co_await visit_relay(parts, identity, previous, rotation, error);
  if (!visit)
    co_return login_failed(checks, fails(kLogin, error.message, "Try again; the network is unsteady."));
  if (!visit->admission) co_return login_failed(checks, refused(visit->reason));
  rotation.admitted(identity);
  identity.generation = visit->admission->generation;
  const auto saved = parts.state_dir.save(identity);
  if (!saved) co_return login_failed(checks, not_saved(saved.error()));
  checks.push_back(pass(kBinding, "both proofs hold for this very TLS connection (its exporter)"));
  checks.push_back(pass(
      kLogin, fmt::format("relay and agent have proved themselves, generation {}", identity.generation)));
  checks.push_back(probe_of(*visit));
}

/// Of the sessions that the running agent says it holds: how many, and how many have been probed.
std::pair<std::size_t, std::size_t> probed_sessions(const json::object& status) {
  std::pair<std::size_t, std::size_t> counts;
  const auto* list = status.if_contains("session_list");
  if (!list || !list->is_array()) return counts;
  for (const json::value& item : list->as_array()) {
    const auto* session = item.if_object();
    const auto* probed = session ? session->if_contains("probed_at") : nullptr;
    if (!probed) continue;
    ++counts.first;
    if (probed->is_string()) ++counts.second;
  }
  return counts;
}

void ask_running(const JoinParts& parts, const std::string& pid, std::vector<Check>& checks) {
  const auto status = read_status(parts.state_dir, parts.clock.now());
  if (!status || !is_connected(*status)) {
    const auto* phase = status ? status->if_contains("phase") : nullptr;
    const std::string word = phase && phase->is_string() ? std::string(phase->as_string()) : "silent";
    return login_failed(checks, fails(kLogin, fmt::format("the running agent (process {}) is {}", pid, word),
                                      "See postern-agent status for its last errors."));
  }
  checks.push_back(
      pass(kBinding, "the running agent holds no session that is not bound to its TLS connection"));
  checks.push_back(pass(kLogin, fmt::format("the running agent (process {}) is connected", pid)));
  const auto [sessions, probed] = probed_sessions(*status);
  const std::string counts =
      fmt::format("{} of {} sessions of the running agent have been probed", probed, sessions);
  checks.push_back(
      probed == sessions && sessions > 0
          ? pass(kProbe, counts)
          : fails(kProbe, counts, "Ask again in 10 s; then read the relay's log for agent.not_delivering."));
}

}  // namespace

void skip_session(std::vector<Check>& checks) {
  for (const char* name : {kBinding, kLogin, kProbe}) checks.push_back(skipped(name));
}

asio::awaitable<void> check_session(JoinParts parts, std::vector<Check>& checks) {
  if (const auto pid = parts.state_dir.running()) co_return ask_running(parts, *pid, checks);
  const auto lock = parts.state_dir.lock();
  if (!lock) co_return login_failed(checks, fails(kLogin, lock.error().message, "Try again."));
  // An agent may have run and ended while the other checks took their time: what it has saved is newer.
  auto identity = parts.state_dir.identity();
  if (!identity) co_return login_failed(checks, fails(kLogin, identity.error().message, "Try again."));
  co_await log_in(parts, std::move(*identity), checks);
}

}  // namespace postern::agent
