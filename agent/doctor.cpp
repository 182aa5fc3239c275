#include "agent/doctor.hpp"

#include <boost/json.hpp>

#include "agent/dial_relay.hpp"
#include "agent/doctor_apps.hpp"
#include "agent/doctor_session.hpp"
#include "agent/tls_probe.hpp"
#include "agent/visible.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

using Verdict = Check::Verdict;

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
    checks.push_back(skipped("relay identity"));
    co_return skip_session(checks);
  }
  const auto tls = probe_tls(std::move(*socket), identity);
  if (!tls) {
    checks.push_back(
        fails("relay identity", tls.error().message,
              tls.error().code == "pin_mismatch"
                  ? "If the relay got a new key, join again with a new token. If not, somebody is in between."
                  : "Check that this port is the relay's tunnel listener and that nothing inspects TLS."));
    co_return skip_session(checks);
  }
  checks.push_back(pass("relay identity", *tls + (identity.ca.empty() ? ", the pinned key"
                                                                      : ", its name vouched for by a CA")));
  co_await check_session(parts, checks);
}

std::string_view word_of(Verdict verdict) {
  if (verdict == Verdict::pass) return "pass";
  return verdict == Verdict::fail ? "fail" : "skipped";
}

Check check_configuration(const Result<LoadedServing>& loaded, const Options& options) {
  if (loaded) {
    return pass("configuration", loaded->file ? loaded->file->string()
                                              : fmt::format("no file ({} would be one)",
                                                            config_candidates(options).front().string()));
  }
  return fails("configuration", loaded.error().message,
               "Correct it; an agent that runs goes on with what it had before.");
}

}  // namespace

asio::awaitable<std::vector<Check>> examine(JoinParts parts, Options options) {
  std::vector<Check> checks;
  auto identity = parts.state_dir.identity();
  if (!identity) {
    checks.push_back(
        fails("state", identity.error().message, "Join first: postern-agent join TOKEN --allow HOST:PORT"));
    co_return checks;
  }
  checks.push_back(pass(
      "state", fmt::format("{} in {}", identity->agent_id.to_string(), parts.state_dir.path().string())));
  options.state_dir = parts.state_dir.path();
  auto loaded = load_serving(options, identity->allow);
  checks.push_back(check_configuration(loaded, options));
  co_await check_relay(parts, *identity, checks);
  if (loaded)
    co_await check_apps(std::move(loaded->serving), checks);
  else
    checks.push_back(skipped("apps"));
  co_return checks;
}

bool healthy(const std::vector<Check>& checks) {
  return std::all_of(checks.begin(), checks.end(), [](const Check& c) { return c.verdict == Verdict::pass; });
}

std::string to_json(const std::vector<Check>& checks) {
  boost::json::array list;
  for (const Check& check : checks) {
    list.push_back(boost::json::object{{"name", check.name},
                                       {"verdict", word_of(check.verdict)},
                                       {"detail", check.detail},
                                       {"fix", check.fix}});
  }
  return boost::json::serialize(
      boost::json::object{{"healthy", healthy(checks)}, {"checks", std::move(list)}});
}

std::string render(const std::vector<Check>& checks) {
  std::string out;
  for (const Check& check : checks) {
    const char* word = check.verdict == Verdict::pass   ? "ok  "
                       : check.verdict == Verdict::fail ? "FAIL"
                                                        : "skip";
    out += fmt::format("{}  {:<18}  {}\n", word, visible(check.name), visible(check.detail));
    if (!check.fix.empty()) out += fmt::format("      {:<18}  -> {}\n", "", visible(check.fix));
  }
  return out;
}

}  // namespace postern::agent
