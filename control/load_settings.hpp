#pragma once
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "base/config.hpp"
#include "control/settings.hpp"

namespace postern::control {

struct SettingsSource {
  std::string file;                                        ///< --config, else POSTERN_CONFIG; empty: none
  std::vector<std::pair<std::string, std::string>> flags;  ///< key and text
};

/// File, environment of this process and flags, checked as a whole.
std::expected<config::Values, config::Problems> load_values(const SettingsSource& source);
std::expected<Settings, config::Problems> load_settings(const SettingsSource& source);

}  // namespace postern::control
