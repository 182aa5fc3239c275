#include "control/load_settings.hpp"

#include <cstdlib>

namespace postern::control {

std::expected<config::Values, config::Problems> load_values(const SettingsSource& source) {
  config::Inputs inputs;
  inputs.file = source.file;
  const char* named = std::getenv("POSTERN_CONFIG");
  if (inputs.file.empty() && named) inputs.file = named;
  inputs.environment = config::process_environment();
  inputs.environment_ignored = command_line_variables();
  inputs.flags = source.flags;
  return config::resolve(relay_settings(), inputs);
}

std::expected<Settings, config::Problems> load_settings(const SettingsSource& source) {
  const auto values = load_values(source);
  if (!values) return std::unexpected(values.error());
  return settings_from(*values);
}

}  // namespace postern::control
