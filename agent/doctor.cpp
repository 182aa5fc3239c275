#include "agent/doctor.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>

#include "agent/dial_relay.hpp"
#include "agent/secret_rotation.hpp"
#include "agent/tls_probe.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

using Verdict = Check::Verdict;

Check pass(std::string name, std::string detail) {
  return {std::move(name), Verdict::pass, std::move(detail), ""};
}
Check fails(std::string name, std::string detail, std::string fix) {
  return {std::move(name), Verdict::fail, std::move(detail), std::move(fix)};
}
Check skipped(std::string name) {
  return {std::move(name), Verdict::skipped, "an earlier step failed", ""};
}

/// A session that is given back as soon as it stands.
class Visit final : public tunnel::AgentEvents {
 public:
  explicit Visit(const asio::any_io_executor& executor)
      : over(executor, asio::steady_timer::time_point::max()) {}
  void opened(const tunnel::Admission& given) override {
    admission = given;
    connection->close("closed_by_us", "That was a check.");
  }
  void delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) override {
    delivery->reset(tunnel::ResetCode::refused);
  }
  void going_away(const tunnel::GoAway&) override {}
  void closed(const tunnel::CloseReason& why) override {
    reason = why;
    is_over = true;
    connection.reset();
    over.cancel();
  }
  asio::steady_timer over;
  bool is_over = false;
  std::shared_ptr<tunnel::AgentConnection> connection;
  std::optional<tunnel::Admission> admission;
  tunnel::CloseReason reason;
};

tunnel::AgentConnection::Credential credential_of(const Identity& identity, SecretRotation& rotation,
                                                  Random& random) {
  tunnel::AgentConnection::Credential credential;
  credential.kind = tunnel::Identity::agent;
  credential.id = identity.agent_id.uuid;
  SecretPick pick = rotation.pick(identity);
  credential.secret = std::move(pick.secret);
  credential.key_epoch = pick.key_epoch;
  credential.previous_instance_id = identity.instance;
  random.fill(reinterpret_cast<char*>(credential.instance_id.data()), credential.instance_id.size());
  credential.generation = identity.generation;
  credential.software = "postern-agent/" POSTERN_VERSION " doctor";
  return credential;
}

std::string fix_for(const tunnel::CloseReason& reason) {
  if (reason.code == "auth_failed") {
    return "The relay does not know this agent: it was revoked or deleted. Join again with a new token and "
           "--force.";
  }
  if (reason.code == "relay_not_proven") {
    return "Something between here and the relay ends TLS. Let the connection through untouched (no TLS "
           "inspection).";
  }
  return "Read the relay's log at this moment; it names the peer address and this agent.";
}

asio::awaitable<Check> check_session(JoinParts parts, Identity identity, SecretRotation rotation = {}) {
  auto socket = co_await dial_relay(identity.relay, parts.proxies);
  if (!socket)
    co_return fails("authentication", socket.error().message, "Try again; the network is unsteady.");
  auto executor = co_await asio::this_coro::executor;
  auto visit = std::make_shared<Visit>(executor);
  const auto tls = relay_tls(identity.trust(), identity.relay);
  if (!tls)
    co_return fails("authentication", tls.error().message, "Name a readable file of CA certificates.");
  const tunnel::ConnectionEnv env{parts.clock, parts.random, parts.limits};
  visit->connection = tunnel::AgentConnection::start(std::move(*socket), *tls, env,
                                                     credential_of(identity, rotation, parts.random), visit);
  const auto wait = asio::as_tuple(asio::use_awaitable);
  while (!visit->is_over) co_await visit->over.async_wait(wait);
  if (visit->reason.code == "auth_failed" && rotation.refused(identity))
    co_return co_await check_session(parts, std::move(identity), rotation);
  if (!visit->admission) co_return fails("authentication", visit->reason.message, fix_for(visit->reason));
  rotation.admitted(identity);
  identity.generation = visit->admission->generation;
  const auto saved = parts.state_dir.save(identity);
  if (!saved) co_return fails("authentication", saved.error().message, "Make the state directory writable.");
  co_return pass("authentication", "both sides proved themselves, bound to this TLS channel");
}

/// The running agent's own word, from its status file.
Check check_running(const StateDir& state_dir, const std::string& pid) {
  const auto content = read_file(state_dir.status_file());
  boost::json::error_code ec;
  const auto status = content && *content ? boost::json::parse(**content, ec) : boost::json::value();
  const auto* object = status.if_object();
  const auto* phase = object ? object->if_contains("phase") : nullptr;
  const std::string word = phase && phase->is_string() ? std::string(phase->as_string()) : "unknown";
  if (word == "connected")
    return pass("authentication", fmt::format("the running agent (process {}) is connected", pid));
  return fails("authentication", fmt::format("the running agent (process {}) is {}", pid, word),
               "See postern-agent status for its last error.");
}

asio::awaitable<Check> check_authentication(JoinParts parts, Identity identity) {
  if (const auto pid = parts.state_dir.running()) co_return check_running(parts.state_dir, *pid);
  const auto lock = parts.state_dir.lock();
  if (!lock) co_return fails("authentication", lock.error().message, "Try again.");
  co_return co_await check_session(parts, std::move(identity));
}

/// What looks the relay's name up: the proxy, where there is one on the way.
asio::awaitable<Check> check_name(HostPort relay) {
  auto found = co_await look_up(relay);
  if (!found)
    co_return fails("relay name", found.error().message,
                    "Check the resolver of this host (/etc/resolv.conf).");
  co_return pass("relay name", fmt::format("{} is {}", relay.host, found->front().address().to_string()));
}

/// The proxy itself: that it can be reached. What it says of the relay is the relay connection's line.
asio::awaitable<Check> check_proxy(HostPort proxy) {
  auto socket = co_await dial(proxy);
  if (!socket)
    co_return fails("proxy", socket.error().message,
                    "Correct --proxy or HTTPS_PROXY, or except the relay with NO_PROXY.");
  co_return pass("proxy", "through " + proxy.to_string());
}

std::string fix_for_dialling(const Error& error, const std::string& relay) {
  if (error.code == "proxy_auth_required") return "Say http://USER:PASSWORD@HOST:PORT as the proxy.";
  if (error.code == "proxy_refused")
    return fmt::format("Have the proxy allow CONNECT to {}, or except the relay with NO_PROXY.", relay);
  if (error.code.starts_with("proxy_"))
    return "Check that host and port in the proxy's URL are those of an HTTP proxy.";
  return fmt::format("Let this host connect out to {} (TCP), and check that the relay runs.", relay);
}

/// From here to a connection to the relay; nothing when a step failed, and then the last check says so.
asio::awaitable<std::optional<asio::ip::tcp::socket>> check_way(ProxyRules proxies, HostPort relay,
                                                                std::vector<Check>& checks) {
  const Proxy* proxy = proxies.on_the_way_to(relay);
  if (proxies.proxy && !proxy) checks.push_back(pass("proxy", "none on the way to " + relay.host));
  Check first;
  if (proxy)
    first = co_await check_proxy(proxy->at);
  else
    first = co_await check_name(relay);
  const bool ready = first.verdict == Verdict::pass;
  checks.push_back(std::move(first));
  if (!ready) {
    checks.push_back(skipped("relay connection"));
    co_return std::nullopt;
  }
  auto socket = co_await dial_relay(relay, proxies);
  if (!socket) {
    checks.push_back(fails("relay connection", socket.error().message,
                           fix_for_dialling(socket.error(), relay.to_string())));
    co_return std::nullopt;
  }
  checks.push_back(pass("relay connection", "TCP to " + relay.to_string()));
  co_return std::move(*socket);
}

asio::awaitable<void> check_relay(JoinParts parts, Identity identity, std::vector<Check>& checks) {
  auto socket = co_await check_way(parts.proxies, identity.relay, checks);
  if (!socket) {
    for (const char* name : {"relay identity", "authentication"}) checks.push_back(skipped(name));
    co_return;
  }
  const auto tls = probe_tls(std::move(*socket), identity);
  if (!tls) {
    checks.push_back(
        fails("relay identity", tls.error().message,
              tls.error().code == "pin_mismatch"
                  ? "If the relay got a new key, join again with a new token. If not, somebody is in between."
                  : "Check that this port is the relay's tunnel listener and that nothing inspects TLS."));
    checks.push_back(skipped("authentication"));
    co_return;
  }
  checks.push_back(pass("relay identity", *tls + (identity.ca.empty() ? ", the pinned key"
                                                                      : ", its name vouched for by a CA")));
  auto authentication = co_await check_authentication(parts, std::move(identity));
  checks.push_back(std::move(authentication));
}

/// A unix socket takes a connection at once or not at all.
Result<void> try_socket(const std::string& path) {
  asio::io_context loop;
  asio::local::stream_protocol::socket socket(loop);
  boost::system::error_code ec;
  socket.connect(path, ec);
  if (!ec) return {};
  return fail("connect_failed", fmt::format("Cannot connect to {}: {}.", path, ec.message()));
}

asio::awaitable<Check> check_app(AllowEntry entry) {
  const std::string name = "app " + entry.to_string();
  if (entry.socket_path().empty() && entry.place().port == 0)
    co_return pass(name, "every port is allowed; none was tried");
  Result<void> reached;
  if (!entry.socket_path().empty()) {
    reached = try_socket(entry.socket_path());
  } else {
    const auto socket = co_await dial(entry.place());
    if (!socket) reached = std::unexpected(socket.error());
  }
  if (reached) co_return pass(name, "accepts connections");
  co_return fails(name, reached.error().message,
                  "Start the app, or correct the allow-list (run --allow HOST:PORT).");
}

}  // namespace

asio::awaitable<std::vector<Check>> examine(JoinParts parts) {
  std::vector<Check> checks;
  auto identity = parts.state_dir.identity();
  if (!identity) {
    checks.push_back(
        fails("state", identity.error().message, "Join first: postern-agent join TOKEN --allow HOST:PORT"));
    co_return checks;
  }
  checks.push_back(pass(
      "state", fmt::format("{} in {}", identity->agent_id.to_string(), parts.state_dir.path().string())));
  co_await check_relay(parts, *identity, checks);
  if (identity->allow.empty()) {
    checks.push_back(fails("apps", "the allow-list is empty: no delivery can reach an app",
                           "Run with --allow HOST:PORT for each app."));
  }
  for (const AllowEntry& entry : identity->allow.list()) {
    auto check = co_await check_app(entry);
    checks.push_back(std::move(check));
  }
  co_return checks;
}

bool healthy(const std::vector<Check>& checks) {
  return std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.verdict == Verdict::pass; });
}

std::string render(const std::vector<Check>& checks) {
  std::string out;
  for (const Check& check : checks) {
    const char* word = check.verdict == Verdict::pass   ? "ok  "
                       : check.verdict == Verdict::fail ? "FAIL"
                                                        : "skip";
    out += fmt::format("{}  {:<18}  {}\n", word, check.name, check.detail);
    if (!check.fix.empty()) out += fmt::format("      {:<18}  -> {}\n", "", check.fix);
  }
  return out;
}

}  // namespace postern::agent
