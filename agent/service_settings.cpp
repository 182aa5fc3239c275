#include "agent/service_settings.hpp"

#include <fmt/ranges.h>

#include <algorithm>

#include "agent/files.hpp"
#include "base/bytes.hpp"

namespace postern::agent {

namespace fs = std::filesystem;

namespace {

bool gives(const ServiceSettings& given, std::string_view name) {
  const auto same = [&](const auto& variable) { return ascii_iequals(variable.first, name); };
  return std::ranges::any_of(given.variables, same) ||
         std::ranges::find(given.groups, name) != given.groups.end();
}

std::vector<std::string> names_of(const ServiceSettings& settings) {
  std::vector<std::string> out;
  for (const auto& [name, value] : settings.variables) out.push_back(name);
  out.insert(out.end(), settings.groups.begin(), settings.groups.end());
  return out;
}

/// True when something was there.
bool take_out(ServiceSettings& settings, std::string_view name) {
  const auto variables = std::erase_if(settings.variables, [&](const auto& v) { return v.first == name; });
  const auto groups = std::erase(settings.groups, name);
  return variables + groups > 0;
}

}  // namespace

ServiceSettings settings_of(const Options& options, const EnvironmentLookup& environment) {
  ServiceSettings out{{}, options.service.groups};
  const auto given = [&](std::string_view key) { return options.given.contains(key); };
  const auto add = [&](const char* name, std::string value) {
    out.variables.emplace_back(name, std::move(value));
  };
  if (!options.config_file.empty())
    add("POSTERN_AGENT_CONFIG", fs::absolute(options.config_file).lexically_normal().string());
  if (!options.proxy.empty()) add("POSTERN_AGENT_PROXY", options.proxy);
  if (given("sessions")) add("POSTERN_AGENT_SESSIONS", fmt::format("{}", options.sessions));
  if (given("exit_on_revoked"))
    add("POSTERN_AGENT_EXIT_ON_REVOKED", options.exit_on_revoked ? "true" : "false");
  if (given("log_format"))
    add("POSTERN_AGENT_LOG_FORMAT", options.log_format == log::Format::json ? "json" : "text");
  for (const char* name : {"HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"}) {
    const char* value = environment(name);
    if (value && *value) add(name, value);
  }
  return out;
}

Result<std::optional<Variables>> installed_variables(const ServicePlaces& places) {
  const auto text = read_file(places.environment());
  if (!text) return std::unexpected(text.error());
  if (!*text || !(*text)->starts_with(kWrittenByUs)) return std::nullopt;
  auto variables = parse_environment(**text);
  if (variables) return std::move(*variables);
  return fail(variables.error().code,
              fmt::format("{}: {}", places.environment().string(), variables.error().message));
}

Result<ServiceSettings> installed_settings(const ServicePlaces& places) {
  if (auto ours = check_ours(places); !ours) return std::unexpected(ours.error());
  auto variables = installed_variables(places);
  if (!variables) return std::unexpected(variables.error());
  const auto unit = read_file(places.unit());
  if (!unit) return std::unexpected(unit.error());
  return ServiceSettings{variables->value_or(Variables{}), unit_groups(unit->value_or(""))};
}

Result<UpdatedSettings> update_settings(const ServiceSettings& there, const ServiceSettings& given,
                                        const std::vector<std::string>& drop) {
  UpdatedSettings out;
  for (const auto& variable : there.variables) {
    if (!gives(given, variable.first)) out.settings.variables.push_back(variable);
  }
  for (const std::string& group : there.groups) {
    if (!gives(given, group)) out.settings.groups.push_back(group);
  }
  out.kept = names_of(out.settings);
  auto& [variables, groups] = out.settings;
  variables.insert(variables.end(), given.variables.begin(), given.variables.end());
  groups.insert(groups.end(), given.groups.begin(), given.groups.end());
  const std::vector<std::string> all = names_of(out.settings);
  for (const std::string& name : drop) {
    if (!take_out(out.settings, name))
      return fail(
          "not_there",
          fmt::format("The service has no variable and no group {}, so none can be dropped. It has: {}.",
                      name, all.empty() ? "none" : fmt::format("{}", fmt::join(all, ", "))));
    std::erase(out.kept, name);
  }
  return out;
}

Options with_variables(Options options, const Variables& variables) {
  const EnvironmentLookup environment = lookup_in(variables);
  const auto fill = [&](std::string& into, const char* name) {
    const char* value = environment(name);
    if (into.empty() && value) into = value;
  };
  fill(options.config_file, "POSTERN_AGENT_CONFIG");
  fill(options.proxy, "POSTERN_AGENT_PROXY");
  return options;
}

EnvironmentLookup lookup_in(const Variables& variables) {
  return [&variables](const char* name) -> const char* {
    const auto found = std::ranges::find(variables, std::string_view(name), &Variables::value_type::first);
    return found == variables.end() ? nullptr : found->second.c_str();
  };
}

}  // namespace postern::agent
