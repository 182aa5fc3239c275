#include "control/settings.hpp"

#include <algorithm>
#include <thread>

#include "base/http/client.hpp"
#include "relay/destinations/drivers.hpp"
#include "relay/destinations/egress_policy.hpp"

namespace postern::control {
namespace {

using config::Problems;
using config::Setting;
using config::Type;
using config::Values;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kMiB = 1024 * 1024;
constexpr Duration kShutdownMost = std::chrono::seconds(28);

constexpr Setting kSettings[] = {
    {"data_dir", Type::text, "path", "postern-data",
     "Where everything is kept: database, master key, tunnel certificate, first API key."},
    {"loops",
     Type::integer,
     "threads",
     "0",
     "Event loops, one thread each; 0: one for each core.",
     {},
     0,
     256},

    {"ingest.listen", Type::address, "host:port", "0.0.0.0:8080", "Where providers send."},
    {"ingest.tls_certificate", Type::text, "path", "",
     "PEM certificate chain; with it and the key, ingest speaks HTTPS instead of HTTP."},
    {"ingest.tls_key", Type::text, "path", "", "PEM private key of that certificate."},
    {"ingest.public_url", Type::text, "URL", "",
     "What providers are told to send to, such as https://hooks.example.com; empty: the bound address."},
    {"ingest.max_connections",
     Type::integer,
     "connections",
     "10000",
     "More are closed at once.",
     {},
     1,
     1'000'000},
    {"ingest.header_time",
     Type::duration,
     "duration",
     "10s",
     "From the first byte of a request to the end of its headers; then closed.",
     {},
     kSecond,
     120 * kSecond},
    {"ingest.idle_time",
     Type::duration,
     "duration",
     "60s",
     "Between the requests of one connection.",
     {},
     kSecond,
     3600 * kSecond},
    {"ingest.write_time",
     Type::duration,
     "duration",
     "30s",
     "For a client that does not read its answer.",
     {},
     kSecond,
     600 * kSecond},
    {"ingest.store_time",
     Type::duration,
     "duration",
     "1800ms",
     "From the whole request to 503 when the store does not answer; senders are promised 2 s in all.",
     {},
     kSecond / 10,
     30 * kSecond},

    {"tunnel.listen", Type::address, "host:port", "0.0.0.0:9700", "Where agents dial in; always TLS 1.3."},
    {"tunnel.public_address", Type::text, "host:port", "",
     "What join tokens tell agents to dial; empty: the bound address, with this host's name for a wildcard."},
    {"tunnel.max_connections",
     Type::integer,
     "connections",
     "20000",
     "More are closed at once.",
     {},
     1,
     1'000'000},
    {"tunnel.max_handshakes",
     Type::integer,
     "connections",
     "256",
     "Handshakes at once; more wait in the kernel.",
     {},
     1,
     100'000},
    {"tunnel.max_deliveries",
     Type::integer,
     "deliveries",
     "1024",
     "In flight through one agent, whatever it grants.",
     {},
     1,
     100'000},

    {"admin.listen", Type::address, "host:port", "127.0.0.1:8081",
     "REST API, health and metrics. Not encrypted: keep it on the loopback or behind a proxy."},
    {"admin.public_url", Type::text, "URL", "",
     "How people reach the admin listener, for links in messages; empty: the bound address."},
    {"admin.max_connections",
     Type::integer,
     "connections",
     "1000",
     "More are closed at once.",
     {},
     1,
     100'000},

    {"delivery.max_in_flight",
     Type::integer,
     "attempts",
     "4096",
     "Attempts at once, over all destinations.",
     {},
     1,
     1'000'000},
    {"delivery.max_leased",
     Type::integer,
     "deliveries",
     "32768",
     "Deliveries in memory; the rest wait in the store.",
     {},
     1,
     10'000'000},
    {"delivery.memory",
     Type::size,
     "bytes",
     "128MiB",
     "Bodies in memory for delivery; the rest wait in the store.",
     {},
     kMiB},
    {"delivery.connect_time",
     Type::duration,
     "duration",
     "5s",
     "Name look-up, TCP and TLS of one attempt.",
     {},
     kSecond / 10,
     60 * kSecond},

    {"routes.workers",
     Type::integer,
     "processes",
     "0",
     "Processes that filters and transforms run in, started when the first one is needed; 0: one for each "
     "core.",
     {},
     0,
     64},
    {"routes.program_time",
     Type::duration,
     "duration",
     "100ms",
     "CPU time of one filter or transform; all of one event get half of ingest.store_time.",
     {},
     kSecond / 100,
     kSecond / 2},
    {"routes.memory",
     Type::size,
     "bytes",
     "64MiB",
     "Memory of one such process beyond what it starts with: the event and all its programs make of it.",
     {},
     16 * kMiB},

    {"egress.allow_networks", Type::list, "CIDR", "",
     "Networks that http destinations may be in although they are private, such as 10.1.0.0/16."},
    {"egress.ca_file", Type::text, "path", "",
     "PEM trust anchors for https destinations, beside the system's."},

    {"slack.base_url", Type::text, "URL", "",
     "Sent to in place of the scheme, host and port of Slack URLs: a proxy or a test; empty: the URL "
     "itself."},

    {"store.low_water_bytes",
     Type::size,
     "bytes",
     "256MiB",
     "With less free disk, ingest answers 503.",
     {},
     0},
    {"store.low_water_percent",
     Type::integer,
     "percent of the disk",
     "5",
     "The same; the larger of the two counts.",
     {},
     0,
     50},
    {"store.cache", Type::size, "bytes", "64MiB", "Page cache of each database connection.", {}, kMiB},
    {"store.readers",
     Type::integer,
     "threads",
     "2",
     "Threads that read for the API and for deliveries.",
     {},
     1,
     64},

    {"shutdown.notice_time",
     Type::duration,
     "duration",
     "0",
     "From not being ready to no longer accepting, for load balancers to notice.",
     {},
     0,
     20 * kSecond},
    {"shutdown.requests_time",
     Type::duration,
     "duration",
     "8s",
     "For requests that have begun.",
     {},
     0,
     25 * kSecond},
    {"shutdown.deliveries_time",
     Type::duration,
     "duration",
     "12s",
     "For attempts that have begun.",
     {},
     0,
     25 * kSecond},
    {"shutdown.tunnel_time",
     Type::duration,
     "duration",
     "5s",
     "For agents to be sent away.",
     {},
     0,
     25 * kSecond},

    {"log.level", Type::choice, "", "info", "The least that is logged, to stderr.", "debug|info|warn|error"},
    {"log.format", Type::choice, "", "text", "One line an event, for people or for machines.", "text|json"},
};

log::Level level_of(const std::string& text) {
  if (text == "debug") return log::Level::debug;
  if (text == "warn") return log::Level::warn;
  if (text == "error") return log::Level::error;
  return log::Level::info;
}

/// Collects what one value alone could not show to be wrong.
struct Checker {
  const Values& values;
  Problems problems;

  void wrong(std::string_view key, std::string_view message) {
    problems.push_back(fmt::format("{}: {}: {}", values.origin(key), key, message));
  }

  /// Without a slash at its end; a path in front of ours is allowed.
  std::string url(std::string_view key) {
    std::string text = values.text(key);
    if (text.empty()) return text;
    const auto parsed = http::parse_url(text);
    if (!parsed) wrong(key, parsed.error().message);
    while (text.ends_with('/')) text.pop_back();
    return text;
  }

  std::optional<config::Address> optional_address(std::string_view key) {
    if (values.text(key).empty()) return std::nullopt;
    auto address = config::parse_address(values.text(key));
    if (!address) return wrong(key, address.error().message), std::nullopt;
    if (address->port == 0) wrong(key, "needs a port.");
    return *address;
  }

  IngestSettings ingest() {
    const bool certificate = !values.text("ingest.tls_certificate").empty();
    const bool key = !values.text("ingest.tls_key").empty();
    if (certificate != key) {
      wrong(certificate ? "ingest.tls_certificate" : "ingest.tls_key", "certificate and key go together.");
    }
    return {.listen = values.address("ingest.listen"),
            .tls_certificate = values.text("ingest.tls_certificate"),
            .tls_key = values.text("ingest.tls_key"),
            .public_url = url("ingest.public_url"),
            .max_connections = static_cast<std::size_t>(values.integer("ingest.max_connections")),
            .header_time = values.duration("ingest.header_time"),
            .idle_time = values.duration("ingest.idle_time"),
            .write_time = values.duration("ingest.write_time"),
            .store_time = values.duration("ingest.store_time")};
  }

  TunnelSettings tunnel() {
    return {.listen = values.address("tunnel.listen"),
            .public_address = optional_address("tunnel.public_address"),
            .max_connections = static_cast<std::size_t>(values.integer("tunnel.max_connections")),
            .max_handshakes = static_cast<std::size_t>(values.integer("tunnel.max_handshakes")),
            .max_deliveries = static_cast<std::uint32_t>(values.integer("tunnel.max_deliveries"))};
  }

  EgressSettings egress() {
    EgressSettings egress{values.list("egress.allow_networks"), values.text("egress.ca_file")};
    const auto policy = relay::EgressPolicy::from_config(egress.allow_networks);
    if (!policy) wrong("egress.allow_networks", policy.error().message);
    return egress;
  }

  std::string slack() {
    const std::string& text = values.text("slack.base_url");
    if (text.empty()) return text;
    const auto origin = relay::parse_slack_base(text);
    if (!origin) wrong("slack.base_url", origin.error().message);
    return text;
  }

  ShutdownSettings shutdown() {
    const ShutdownSettings times{
        values.duration("shutdown.notice_time"), values.duration("shutdown.requests_time"),
        values.duration("shutdown.deliveries_time"), values.duration("shutdown.tunnel_time")};
    const Duration sum = times.notice_time + times.requests_time + times.deliveries_time + times.tunnel_time;
    if (sum > kShutdownMost) {
      wrong("shutdown.deliveries_time",
            fmt::format("the four times of [shutdown] are {} together; at most {} leave "
                        "room to end within 30s.",
                        format_duration(sum), format_duration(kShutdownMost)));
    }
    return times;
  }
};

/// 0 stands for the number of cores.
std::size_t count_from(std::int64_t configured) {
  if (configured > 0) return static_cast<std::size_t>(configured);
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::span<const Setting> relay_settings() {
  return kSettings;
}

std::vector<std::string> command_line_variables() {
  return {"POSTERN_URL", "POSTERN_ADMIN_URL", "POSTERN_KEY", "POSTERN_CONFIG"};
}

std::expected<Settings, Problems> settings_from(const Values& values) {
  Checker check{values, {}};
  if (values.text("data_dir").empty()) check.wrong("data_dir", "must not be empty.");
  Settings settings{
      .data_dir = values.text("data_dir"),
      .loops = count_from(values.integer("loops")),
      .ingest = check.ingest(),
      .tunnel = check.tunnel(),
      .admin = {values.address("admin.listen"), check.url("admin.public_url"),
                static_cast<std::size_t>(values.integer("admin.max_connections"))},
      .delivery = {static_cast<unsigned>(values.integer("delivery.max_in_flight")),
                   static_cast<std::size_t>(values.integer("delivery.max_leased")),
                   values.size("delivery.memory"), values.duration("delivery.connect_time")},
      .routes = {count_from(values.integer("routes.workers")), values.duration("routes.program_time"),
                 values.size("routes.memory")},
      .egress = check.egress(),
      .slack_base_url = check.slack(),
      .store = {values.size("store.low_water_bytes"),
                static_cast<unsigned>(values.integer("store.low_water_percent")), values.size("store.cache"),
                static_cast<std::size_t>(values.integer("store.readers"))},
      .shutdown = check.shutdown(),
      .log_level = level_of(values.text("log.level")),
      .log_format = values.text("log.format") == "json" ? log::Format::json : log::Format::text};
  if (!check.problems.empty()) return std::unexpected(std::move(check.problems));
  return settings;
}

}  // namespace postern::control
