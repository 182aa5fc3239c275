#include "agent/service_plan.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "agent/serving.hpp"

namespace postern::agent {

namespace fs = std::filesystem;

namespace {

/// ProtectHome= and PrivateTmp= put something else in their place.
constexpr auto kHidden =
    std::to_array<std::string_view>({"/home/", "/root/", "/run/user/", "/tmp/", "/var/tmp/"});

bool is_hidden(const fs::path& path) {
  const std::string text = path.lexically_normal().string();
  return std::ranges::any_of(kHidden, [&](std::string_view place) { return text.starts_with(place); });
}

/// By whoever is neither owner nor of the group, as the service's user is: `right` is S_IROTH or S_IXOTH.
bool is_for_all(const fs::path& path, mode_t right) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0 || (file.st_mode & right) == 0) return false;
  for (fs::path above = path.parent_path(); above != above.root_path(); above = above.parent_path()) {
    if (::stat(above.c_str(), &file) != 0 || (file.st_mode & S_IXOTH) == 0) return false;
  }
  return true;
}

Result<void> must_be_seen(const fs::path& given, std::string_view what) {
  const fs::path path = fs::absolute(given);
  if (is_hidden(path)) {
    return fail("hidden", fmt::format("{} {} is where the service's sandbox sees nothing. Copy it elsewhere "
                                      "first, such as to /etc/postern-agent.",
                                      what, path.string()));
  }
  if (is_for_all(path, S_IROTH)) return {};
  return fail("unreadable", fmt::format("{0} {1} cannot be read by the service's user. Make it and the "
                                        "directories above it readable: chmod o+r {1}",
                                        what, path.string()));
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(text, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// By the name that it was started by and, where that is a link, where it leads.
Result<void> check_program(const fs::path& program) {
  if (has_control(program.string()))
    return fail("invalid_program",
                "The path of this program holds a line break or another control "
                "character. Copy it to /usr/local/bin, and install from there.");
  std::error_code ec;
  const fs::path real = fs::weakly_canonical(program, ec);
  for (const fs::path& path : {program, real}) {
    if (is_hidden(path))
      return fail("hidden",
                  fmt::format("This program is {}, where the service's sandbox sees nothing. Copy it to "
                              "/usr/local/bin, and install from there.",
                              path.string()));
    if (!is_for_all(path, S_IXOTH))
      return fail("unreadable",
                  fmt::format("This program, {0}, cannot be started by the service's user. Make it and the "
                              "directories above it accessible (chmod o+rx {0}), or copy it to "
                              "/usr/local/bin and install from there.",
                              path.string()));
  }
  return {};
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

std::string_view to_text(log::Level level) {
  switch (level) {
    case log::Level::debug:
      return "debug";
    case log::Level::warn:
      return "warn";
    case log::Level::error:
      return "error";
    default:
      return "info";
  }
}

/// What was given and belongs into the configuration file.
std::string config_text(const Options& options) {
  std::string out;
  const auto given = [&](std::string_view key) { return options.given.contains(key); };
  if (given("allow")) {
    for (const std::string& entry : options.allow) out += (out.empty() ? "" : ", ") + in_quotes(entry);
    out = "allow = [" + out + "]\n";
  }
  if (given("concurrency")) out += fmt::format("concurrency = {}\n", options.limits.deliveries);
  if (given("body_limit")) out += fmt::format("body_limit = {}\n", options.limits.body_bytes);
  if (given("memory_budget")) out += fmt::format("memory_budget = {}\n", options.limits.budget_bytes);
  if (given("app_ca_file"))
    out += fmt::format("app_ca_file = {}\n", in_quotes(fs::absolute(options.app_tls.ca_file).string()));
  if (given("app_tls_insecure")) out += fmt::format("app_tls_insecure = {}\n", options.app_tls.insecure);
  if (given("inspect")) out += fmt::format("inspect = {}\n", in_quotes(options.inspect));
  if (given("log_level")) out += fmt::format("log_level = \"{}\"\n", to_text(options.log_level));
  return out;
}

bool serves_alike(const Serving& a, const Serving& b) {
  return a.allow.entries() == b.allow.entries() && a.limits.deliveries == b.limits.deliveries &&
         a.limits.body_bytes == b.limits.body_bytes && a.limits.budget_bytes == b.limits.budget_bytes &&
         a.app_tls == b.app_tls && a.inspect == b.inspect && a.log_level == b.log_level;
}

/// As if nothing had been given but where the file is.
Options without_flags(const Options& options) {
  Options bare;
  bare.state_dir = options.state_dir;
  bare.config_file = options.config_file;
  return bare;
}

/// A file that a person may have written is not written over; a repeated install with the same flags has
/// nothing to change in it.
Result<void> plan_config(const Options& options, const Identity& identity, ServicePlan& plan) {
  const auto wanted = load_serving(options, identity.allow);
  if (!wanted) return std::unexpected(wanted.error());
  const auto without = load_serving(without_flags(options), identity.allow);
  if (!without) return std::unexpected(without.error());
  const std::string text = config_text(options);
  if (!text.empty() && !without->file) {
    plan.config =
        std::string(kWrittenByUs) + " It is yours to change; a change is taken over at once.\n" + text;
  } else if (!text.empty() && !serves_alike(wanted->serving, without->serving)) {
    return fail("config_exists",
                fmt::format("{} is there already, and says otherwise than the flags do. Write "
                            "this there instead, and leave the flags out:\n{}",
                            without->file->string(), text));
  }
  if (without->file && without->file->parent_path() != options.state_dir) {
    if (auto seen = must_be_seen(*without->file, "The configuration file"); !seen) return seen;
  }
  const AppTls& tls = wanted->serving.app_tls;
  if (!tls.ca_file.empty()) {
    if (auto seen = must_be_seen(tls.ca_file, "The app's CA file"); !seen) return seen;
  }
  if (wanted->serving.allow.empty())
    plan.notes.emplace_back(
        "No app is allowed: say allow = [\"HOST:PORT\"] in agent.toml, or --allow HOST:PORT.");
  for (const AllowEntry& entry : wanted->serving.allow.list()) {
    if (is_hidden(entry.socket_path()))
      plan.notes.push_back(fmt::format(
          "{} is where the service's sandbox sees nothing; move that socket to /run.", entry.to_string()));
  }
  return {};
}

Result<void> plan_environment(const Variables& variables, ServicePlan& plan) {
  for (const auto& [name, value] : variables) {
    if (has_control(value))
      return fail("invalid_value", fmt::format("{} holds a line break or another control character.", name));
    plan.variables.push_back(name);
  }
  plan.environment = environment_text(variables);
  return {};
}

Result<void> check_groups(const std::vector<std::string>& groups) {
  for (const std::string& group : groups) {
    if (!is_plain_name(group))
      return fail("invalid_group", fmt::format("\"{}\" is no name of a group.", group));
  }
  return {};
}

/// With the configuration file that the service will go by, which may be one that was named at an earlier
/// install.
Options as_served(Options options, const Variables& variables, const StateDir& state_dir) {
  const char* file = lookup_in(variables)("POSTERN_AGENT_CONFIG");
  options.config_file = file ? file : "";
  options.state_dir = state_dir.path();
  return options;
}

}  // namespace

Result<ServicePlan> plan_service(const Options& options, const StateDir& state_dir, const fs::path& program,
                                 const EnvironmentLookup& environment) {
  auto places = service_places(options.service.root, state_dir);
  if (!places) return std::unexpected(places.error());
  const auto identity = state_dir.identity();
  if (!identity) return std::unexpected(identity.error());
  if (auto good = check_program(program); !good) return std::unexpected(good.error());
  if (auto good = check_unused(*places); !good) return std::unexpected(good.error());
  const auto there = installed_settings(*places);
  if (!there) return std::unexpected(there.error());
  auto updated = update_settings(*there, settings_of(options, environment), options.service.drop);
  if (!updated) return std::unexpected(updated.error());
  const ServiceSettings& settings = updated->settings;
  if (auto good = check_groups(settings.groups); !good) return std::unexpected(good.error());
  ServicePlan plan;
  plan.places = *places;
  plan.kept = std::move(updated->kept);
  if (auto good = plan_config(as_served(options, settings.variables, state_dir), *identity, plan); !good)
    return std::unexpected(good.error());
  if (auto good = plan_environment(settings.variables, plan); !good) return std::unexpected(good.error());
  plan.unit = unit_text(
      {places->name, program.string(), "/etc/postern-agent/" + places->name + ".env", settings.groups});
  return plan;
}

}  // namespace postern::agent
