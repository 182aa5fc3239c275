#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/options.hpp"
#include "agent/service_places.hpp"
#include "agent/service_unit.hpp"

/// What a service goes by that is not in its configuration file.
namespace postern::agent {

struct ServiceSettings {
  Variables variables;
  std::vector<std::string> groups;
};

/// By name; null for what is not set. As std::getenv is one.
using EnvironmentLookup = std::function<const char*(const char*)>;

/// What flags and environment of an install say, as variables: all that the configuration file has no place
/// for, and the proxy's.
ServiceSettings settings_of(const Options& options, const EnvironmentLookup& environment);

/// Those of the service that is there; empty when none is. Errors: `not_ours`, `io_failed`,
/// `invalid_environment`, which names the line.
Result<ServiceSettings> installed_settings(const ServicePlaces& places);

/// The variables alone; nullopt where there is no such file of our making. Errors: `io_failed`,
/// `invalid_environment`.
Result<std::optional<Variables>> installed_variables(const ServicePlaces& places);

struct UpdatedSettings {
  ServiceSettings settings;
  std::vector<std::string> kept;  ///< names of what nobody gave this time
};
/// An update says what changes: what is there stays, unless it is given anew or named in `drop`, which has
/// the last word. Of a variable with two spellings (HTTPS_PROXY, https_proxy) the one that is given takes the
/// place of both. Error `not_there`: nothing of a name in `drop` is.
Result<UpdatedSettings> update_settings(const ServiceSettings& there, const ServiceSettings& given,
                                        const std::vector<std::string>& drop);

/// As the service's own `run` reads them; what the options have already wins.
Options with_variables(Options options, const Variables& variables);
/// `variables` outlives it.
EnvironmentLookup lookup_in(const Variables& variables);

}  // namespace postern::agent
