#pragma once
#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/config.hpp"
#include "base/log.hpp"
#include "relay/limits/gcra.hpp"
#include "relay/limits/redis_url.hpp"
#include "relay/retention_times.hpp"

/// Every setting of the relay. configs/relay.toml shows the same table to people; a test holds the two
/// together.
namespace postern::control {

std::span<const config::Setting> relay_settings();

struct IngestSettings {
  config::Address listen;
  std::filesystem::path tls_certificate, tls_key;  ///< both or none
  std::string public_url;                          ///< empty: from the bound address
  std::size_t max_connections = 0;
  Duration header_time{}, idle_time{}, write_time{}, store_time{};
  relay::RateLimit source_limit, workspace_limit;
  std::uint32_t failures_per_minute = 0;
};
struct TunnelSettings {
  config::Address listen;
  std::optional<config::Address> public_address;     ///< absent: from the bound address
  std::filesystem::path certificate_file, key_file;  ///< both or none
  std::filesystem::path next_key_file;               ///< may be empty
  Duration rotate_after{};                           ///< 0: never
  bool on_public_port = false;                       ///< the ingest listener takes tunnels, too
  std::size_t max_connections = 0;
  std::size_t max_handshakes = 0;
  std::uint32_t max_deliveries = 0;
};
struct AdminSettings {
  config::Address listen;
  std::string public_url;  ///< empty: from the bound address
  std::size_t max_connections = 0;
};
struct DeliverySettings {
  unsigned max_in_flight = 0;
  std::size_t max_leased = 0;
  std::uint64_t memory = 0;
  Duration connect_time{};
};
struct RouteSettings {
  std::size_t workers = 0;  ///< resolved: at least 1
  Duration program_time{};
  std::uint64_t memory = 0;
};
struct EgressSettings {
  std::vector<std::string> allow_networks;
  std::string ca_file;
};
struct RedisSettings {
  std::optional<relay::RedisTarget> target;  ///< absent: one node, limits in memory
  std::string prefix;
};
struct NatsSettings {
  std::vector<std::string> servers;  ///< empty: no NATS
  std::string credentials_file, ca_file;
  std::string subject_prefix;
};
struct StoreSettings {
  std::uint64_t low_water_bytes = 0;
  unsigned low_water_percent = 0;
  std::uint64_t cache = 0;
  std::size_t readers = 0;
};
struct OverloadSettings {
  Duration wait{};  ///< 0: nothing is given up
};
/// Of a node on PostgreSQL.
struct ClusterSettings {
  std::string name;
  Duration lease_time{};
  std::size_t writers = 0;
};
/// How long each step of stopping may take; together at most 28 s.
struct ShutdownSettings {
  Duration notice_time{}, requests_time{}, deliveries_time{}, tunnel_time{};
};

struct Settings {
  std::filesystem::path data_dir;
  std::string database;   ///< PostgreSQL; empty: SQLite in data_dir. May hold a password: never log it
  std::size_t loops = 0;  ///< resolved: at least 1
  IngestSettings ingest;
  TunnelSettings tunnel;
  AdminSettings admin;
  DeliverySettings delivery;
  RouteSettings routes;
  EgressSettings egress;
  std::string slack_base_url;  ///< empty: what the destination's URL says
  NatsSettings nats;
  StoreSettings store;
  relay::Retention retention;
  OverloadSettings overload;
  ClusterSettings cluster;
  RedisSettings redis;
  ShutdownSettings shutdown;
  log::Level log_level = log::Level::info;
  log::Format log_format = log::Format::text;
};

/// The table's values as the relay uses them, after the checks that concern several of them at once.
std::expected<Settings, config::Problems> settings_from(const config::Values& values);

/// Names with our prefix in the environment that belong to the operator's command line.
std::vector<std::string> command_line_variables();

}  // namespace postern::control
