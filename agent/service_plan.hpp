#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "agent/options.hpp"
#include "agent/service_places.hpp"
#include "agent/service_settings.hpp"
#include "agent/state.hpp"

/// What `service install` would write, found out before anything is written.
namespace postern::agent {

struct ServicePlan {
  ServicePlaces places;
  std::string unit;
  std::string environment;             ///< may hold a password
  std::vector<std::string> variables;  ///< the names in it
  std::vector<std::string> kept;       ///< variables and groups of the service that is there, not given now
  std::optional<std::string> config;   ///< for STATE_DIR/agent.toml, where there was no file
  std::vector<std::string> notes;      ///< for people: what will not work as it is
};

/// Settings that the configuration file can hold go there, so that they can be changed while the agent works;
/// all others that were given become variables, and so do the proxy's of `environment`, as a service inherits
/// none. A service that is there keeps of these what is not given anew (update_settings()). `program` is the
/// path of this program.
///
/// Errors: `invalid_state_dir`; `not_joined`, `state_damaged`; `invalid_config`; `config_exists`: there is a
/// file already, and it says otherwise; `hidden`, `unreadable`: the sandbox, or the service's user, would not
/// see a file, or could not start the program; `invalid_program`; `invalid_value`, `invalid_group`; and those
/// of installed_settings() and update_settings().
Result<ServicePlan> plan_service(const Options& options, const StateDir& state_dir,
                                 const std::filesystem::path& program, const EnvironmentLookup& environment);

}  // namespace postern::agent
