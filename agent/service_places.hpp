#pragma once
#include <filesystem>
#include <string>
#include <string_view>

#include "agent/state.hpp"
#include "base/error.hpp"

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

/// Unit and variables, as far as they are there, were written by `service install`. Whoever changes or
/// removes them asks first: a unit of that name may be somebody else's. Errors: `not_ours`, `io_failed`.
Result<void> check_ours(const ServicePlaces& places);

/// No unit of that name is where the distribution or systemd itself keeps them: the one of `service install`
/// would hide it. Error `not_ours`.
Result<void> check_unused(const ServicePlaces& places);

/// Of a unit or a group: nothing in it that a unit file would read as more than a name.
bool is_plain_name(std::string_view name);

}  // namespace postern::agent
