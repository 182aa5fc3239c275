#include "control/settings.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/http/client.hpp"
#include "relay/destinations/drivers.hpp"
#include "relay/destinations/egress_policy.hpp"
#include "relay/destinations/nats_subject.hpp"

namespace postern::control {
namespace {

using config::Problems;
using config::Values;

constexpr Duration kShutdownMost = std::chrono::seconds(28);

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
            .store_time = values.duration("ingest.store_time"),
            .source_limit = rate("ingest.source_rate", "ingest.source_burst"),
            .workspace_limit = rate("ingest.workspace_rate", "ingest.workspace_burst"),
            .failures_per_minute = static_cast<std::uint32_t>(values.integer("ingest.failures_per_minute"))};
  }

  relay::RateLimit rate(std::string_view per_second, std::string_view burst) {
    return {static_cast<std::uint32_t>(values.integer(per_second)),
            static_cast<std::uint32_t>(values.integer(burst))};
  }

  /// The value itself is never shown: it may hold a password.
  std::string database() {
    const std::string& url = values.text("database");
    const bool known = url.empty() || url.starts_with("postgresql://") || url.starts_with("postgres://") ||
                       url.find('=') != std::string::npos;
    if (!known)
      wrong("database", "must be a PostgreSQL URL, such as postgresql://user@host/name, or be left out.");
    return url;
  }

  TunnelSettings tunnel() {
    const bool certificate = !values.text("tunnel.certificate_file").empty();
    if (certificate == values.text("tunnel.key_file").empty()) {
      wrong(certificate ? "tunnel.certificate_file" : "tunnel.key_file", "certificate and key go together.");
    }
    return {.listen = values.address("tunnel.listen"),
            .public_address = optional_address("tunnel.public_address"),
            .certificate_file = values.text("tunnel.certificate_file"),
            .key_file = values.text("tunnel.key_file"),
            .next_key_file = values.text("tunnel.next_key_file"),
            .rotate_after = values.duration("tunnel.rotate_after"),
            .on_public_port = values.boolean("tunnel.on_public_port"),
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

  RedisSettings redis() {
    RedisSettings redis{std::nullopt, values.text("redis.prefix")};
    if (values.text("redis.url").empty()) return redis;
    auto target = relay::parse_redis_url(values.text("redis.url"));
    if (!target) return wrong("redis.url", target.error().message), redis;
    redis.target = std::move(*target);
    return redis;
  }

  std::string readable(std::string_view key) {
    const std::string& path = values.text(key);
    if (!path.empty() && ::access(path.c_str(), R_OK) != 0)
      wrong(key, fmt::format("{} cannot be read.", path));
    return path;
  }

  NatsSettings nats() {
    NatsSettings nats{values.list("nats.url"), readable("nats.credentials_file"), readable("nats.ca_file"),
                      values.text("nats.subject_prefix")};
    std::set<std::string> schemes;
    for (const std::string& server : nats.servers) {
      if (const auto fine = relay::check_nats_server(server); !fine) wrong("nats.url", fine.error().message);
      schemes.insert(server.substr(0, server.find(':')));
    }
    if (schemes.size() > 1) wrong("nats.url", "all servers are nats:// or all are tls://.");
    const auto prefix = relay::check_subject_prefix(nats.subject_prefix);
    if (!prefix) wrong("nats.subject_prefix", prefix.error().message);
    return nats;
  }

  /// Shorter than an hour is a mistake that nothing would bring back.
  relay::Retention retention() {
    const auto time = [this](std::string_view key) {
      const Duration kept = values.duration(key);
      if (kept > Duration::zero() && kept < relay::kRetentionLeast) wrong(key, "must be 0, or at least 1h.");
      return kept;
    };
    return {time("retention.bodies"), time("retention.events"), time("retention.attempts")};
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

std::string host_name() {
  char name[256] = {};
  return ::gethostname(name, sizeof name - 1) == 0 ? name : "relay";
}

ClusterSettings cluster_from(const Values& values) {
  const std::string& name = values.text("cluster.name");
  return {name.empty() ? host_name() : name, values.duration("cluster.lease_time"),
          static_cast<std::size_t>(values.integer("cluster.writers"))};
}

/// 0 stands for the number of cores.
std::size_t count_from(std::int64_t configured) {
  if (configured > 0) return static_cast<std::size_t>(configured);
  return std::max(1u, std::thread::hardware_concurrency());
}

}  // namespace

std::vector<std::string> command_line_variables() {
  return {"POSTERN_URL", "POSTERN_ADMIN_URL", "POSTERN_KEY", "POSTERN_CONFIG"};
}

std::expected<Settings, Problems> settings_from(const Values& values) {
  Checker check{values, {}};
  if (values.text("data_dir").empty()) check.wrong("data_dir", "must not be empty.");
  Settings settings{
      .data_dir = values.text("data_dir"),
      .database = check.database(),
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
      .nats = check.nats(),
      .store = {values.size("store.low_water_bytes"),
                static_cast<unsigned>(values.integer("store.low_water_percent")), values.size("store.cache"),
                static_cast<std::size_t>(values.integer("store.readers"))},
      .retention = check.retention(),
      .overload = {values.duration("overload.wait")},
      .cluster = cluster_from(values),
      .redis = check.redis(),
      .shutdown = check.shutdown(),
      .log_level = level_of(values.text("log.level")),
      .log_format = values.text("log.format") == "json" ? log::Format::json : log::Format::text};
  if (!check.problems.empty()) return std::unexpected(std::move(check.problems));
  return settings;
}

}  // namespace postern::control
