#pragma once
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/options.hpp"
#include "agent/service_unit.hpp"
#include "agent/state.hpp"

/// What `service install` would write, found out before anything is written.
namespace postern::agent {

/// Where a service of this host lives. `root` is / but for tests.
struct ServicePlaces {
  std::filesystem::path root = "/";
  std::string name;  ///< of the unit

  std::string unit_name() const { return name + ".service"; }
  std::filesystem::path unit() const { return root / "etc/systemd/system" / unit_name(); }
  std::filesystem::path environment() const { return root / "etc/postern-agent" / (name + ".env"); }
};

/// The service is called after its state directory, which is /var/lib/NAME: two services of one host are two
/// directories. Error `invalid_state_dir`.
Result<ServicePlaces> service_places(const std::filesystem::path& root, const StateDir& state_dir);

struct ServicePlan {
  ServicePlaces places;
  std::string unit;
  std::string environment;             ///< may hold a password
  std::vector<std::string> variables;  ///< the names in it
  std::optional<std::string> config;   ///< for STATE_DIR/agent.toml, where there was no file
  std::vector<std::string> notes;      ///< for people: what will not work as it is
};

/// Settings that the configuration file can hold go there, so that they can be changed while the agent works;
/// all others that were given become variables, and so do the proxy's of `environment`, as a service inherits
/// none. `program` is the path of this program.
///
/// Errors: `invalid_state_dir`; `not_joined`, `state_damaged`; `invalid_config`; `config_exists`: there is a
/// file already, and it says otherwise; `hidden`, `unreadable`: the sandbox, or the service's user, would not
/// see a file; `not_ours`: there is another unit of that name.
Result<ServicePlan> plan_service(const Options& options, const StateDir& state_dir,
                                 const std::filesystem::path& program,
                                 const std::function<const char*(const char*)>& environment);

}  // namespace postern::agent
