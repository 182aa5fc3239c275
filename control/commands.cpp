#include "control/commands.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/log.hpp"
#include "control/cli/exit_codes.hpp"
#include "control/load_settings.hpp"
#include "control/serve.hpp"

namespace postern::control {
namespace {

/// The flags of one subcommand: --config and one for each setting.
struct Flags {
  std::string file;
  std::map<std::string, std::string> given;  // key → text
  bool show = false;

  SettingsSource source() const { return {file, {given.begin(), given.end()}}; }
};

std::string section_of(std::string_view key) {
  const auto dot = key.find('.');
  return dot == key.npos ? "General" : "Settings: " + std::string(key.substr(0, dot));
}

std::string describe(const config::Setting& setting) {
  std::string text(setting.help);
  if (!setting.unit.empty()) text += fmt::format(" [{}]", setting.unit);
  if (!setting.choices.empty()) text += fmt::format(" [{}]", setting.choices);
  if (!setting.default_text.empty()) text += fmt::format(" (default {})", setting.default_text);
  return text;
}

std::shared_ptr<Flags> add_flags(CLI::App& command) {
  auto flags = std::make_shared<Flags>();
  command
      .add_option("--config", flags->file,
                  "Settings as TOML, also POSTERN_CONFIG; configs/relay.toml shows every one")
      ->type_name("FILE")
      ->group("General");
  for (const config::Setting& setting : relay_settings()) {
    const std::string key(setting.key);
    auto* option = command.add_option_function<std::string>(
        config::flag_name(key), [flags, key](const std::string& text) { flags->given[key] = text; },
        describe(setting));
    if (setting.type == config::Type::list)
      option->multi_option_policy(CLI::MultiOptionPolicy::Join)->delimiter(',');
    option->type_name("")->group(section_of(key));
  }
  return flags;
}

int refuse(const config::Problems& problems) {
  for (const std::string& problem : problems) fmt::print(stderr, "postern: {}\n", problem);
  return kExitUsage;
}

int run_with(const Flags& flags, int (*command)(const Settings&)) {
  const auto settings = load_settings(flags.source());
  if (!settings) return refuse(settings.error());
  log::configure(settings->log_level, settings->log_format);
  return command(*settings);
}

std::string shown(const config::Setting& setting, const config::Values& values) {
  switch (setting.type) {
    case config::Type::boolean:
      return values.boolean(setting.key) ? "true" : "false";
    case config::Type::integer:
      return std::to_string(values.integer(setting.key));
    case config::Type::duration:
      return format_duration(values.duration(setting.key));
    case config::Type::size:
      return config::format_size(values.size(setting.key));
    case config::Type::address:
      return values.address(setting.key).to_string();
    case config::Type::list:
      return fmt::format("{}", fmt::join(values.list(setting.key), ","));
    case config::Type::text:
    case config::Type::choice:
      break;
  }
  return values.text(setting.key);
}

int check_config(const Flags& flags) {
  const auto values = load_values(flags.source());
  if (!values) return refuse(values.error());
  const auto settings = settings_from(*values);
  if (!settings) return refuse(settings.error());
  for (const config::Setting& setting : relay_settings()) {
    if (!flags.show && values->origin(setting.key) == "default") continue;
    fmt::print("{:<28} {:<24} {}\n", setting.key, shown(setting, *values), values->origin(setting.key));
  }
  fmt::print("the settings are sound\n");
  return kExitOk;
}

constexpr const char* kServeFooter =
    "\nPrints one line on stdout when it is ready:\n"
    "  ready ingest=http://HOST:PORT tunnel=HOST:PORT admin=http://HOST:PORT\n"
    "The first start makes the data directory, the database, the master key, the tunnel certificate, the\n"
    "workspace \"default\" and an API key in DIR/admin.key (delete it before a start to replace it). SIGTERM "
    "drains and ends within 30 s; a second "
    "one at once.\n"
    "Each setting can also be given in a file (--config) or the environment: --ingest-listen is "
    "POSTERN_INGEST_LISTEN.";

}  // namespace

void add_relay_commands(CLI::App& app, std::function<int()>& run) {
  CLI::App* serve_command = app.add_subcommand("serve", "Run the relay")->group("Relay");
  serve_command->footer(kServeFooter);
  serve_command->callback(
      [&run, flags = add_flags(*serve_command)] { run = [flags] { return run_with(*flags, serve); }; });

  CLI::App* migrate_command =
      app.add_subcommand("migrate", "Bring the database in the data directory up to date; serve does it too")
          ->group("Relay");
  migrate_command->callback(
      [&run, flags = add_flags(*migrate_command)] { run = [flags] { return run_with(*flags, migrate); }; });

  CLI::App* check = app.add_subcommand("check-config", "Check settings and show those that are not defaults")
                        ->group("Relay");
  auto flags = add_flags(*check);
  check->add_flag("--all", flags->show, "Show the defaults too")->group("General");
  check->callback([&run, flags] { run = [flags] { return check_config(*flags); }; });
}

}  // namespace postern::control
