#include "agent/doctor_apps.hpp"

#include "agent/app_exchange.hpp"

namespace postern::agent {

namespace asio = boost::asio;

namespace {

constexpr Duration kLimit = std::chrono::seconds(5);
constexpr std::uint16_t kHttpsPort = 443;

http::Origin origin_of(const AllowEntry& entry, bool tls) {
  if (!entry.socket_path().empty()) return {false, std::string(http::kUnixHost) + entry.socket_path(), 80};
  return {tls, entry.place().host, entry.place().port};
}

std::string fix_for(const std::string& code) {
  if (code == "tls_pin_mismatch")
    return "If the app has got a new key, put it in place of the old one in the allow-list (#sha256=).";
  if (code == "tls_failed")
    return "Name the app's CA with --app-ca-file, or its key in the allow-list (https://HOST#sha256=KEY).";
  if (code == "tls_config") return "Name a readable PEM file of CA certificates with --app-ca-file.";
  if (code == "dns_failed") return "Check the app's name, and the resolver of this host (/etc/resolv.conf).";
  return "Start the app, or correct the allow-list (allow in agent.toml, or run --allow HOST:PORT).";
}

asio::awaitable<Check> check_app(http::Client& client, const AllowList& allow, AllowEntry entry) {
  const std::string name = "app " + entry.to_string();
  if (entry.socket_path().empty() && entry.place().port == 0)
    co_return pass(name, "every port is allowed; none was tried");
  const std::vector<std::string> pins = allow.pins(entry.place().host, entry.place().port);
  const bool tls = !pins.empty() || (entry.socket_path().empty() && entry.place().port == kHttpsPort);
  const auto reached = co_await client.check(origin_of(entry, tls), pins, kLimit);
  if (!reached) co_return fails(name, reached.error().message, fix_for(reached.error().code));
  if (!tls) co_return pass(name, "accepts connections");
  co_return pass(name, pins.empty() ? "accepts connections, and its certificate is trusted"
                                    : "accepts connections, and holds a key it is known by");
}

}  // namespace

asio::awaitable<void> check_apps(Serving serving, std::vector<Check>& checks) {
  if (serving.allow.empty()) {
    checks.push_back(fails("apps", "the allow-list is empty: no delivery can reach an app",
                           "Say allow = [\"HOST:PORT\"] in agent.toml, or run with --allow HOST:PORT."));
  }
  http::Client client(app_client_options(serving.app_tls));
  for (const AllowEntry& entry : serving.allow.list()) {
    auto check = co_await check_app(client, serving.allow, entry);
    checks.push_back(std::move(check));
  }
}

}  // namespace postern::agent
