#include "control/commands.hpp"

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include "base/log.hpp"
#include "control/cli/exit_codes.hpp"
#include "control/load_settings.hpp"
#include "control/move.hpp"
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

/// `only`: keys of the settings that the command takes; empty: all.
std::shared_ptr<Flags> add_flags(CLI::App& command, std::initializer_list<std::string_view> only = {}) {
  auto flags = std::make_shared<Flags>();
  command
      .add_option("--config", flags->file,
                  "Settings as TOML, also POSTERN_CONFIG; configs/relay.toml shows every one")
      ->type_name("FILE")
      ->group("General");
  for (const config::Setting& setting : relay_settings()) {
    if (only.size() > 0 && std::ranges::find(only, setting.key) == only.end()) continue;
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

int run_with(const Flags& flags, const std::function<int(const Settings&)>& command) {
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

constexpr const char* kExportFooter =
    "\nThe file holds everything of the node: configuration, events, deliveries with their attempts, dedupe\n"
    "keys, audit, API keys and the tunnel's identity. Secrets in it stay sealed with DIR/master.key, which "
    "is\n"
    "NOT in the file: keep a copy of it, apart from the file.\n"
    "To move a node stop its relay first: what it stores after the export is missing in the file. --live "
    "makes\n"
    "a backup of a running one: one consistent state; its write-ahead log grows until the export has ended.\n"
    "Supported: a node with SQLite into a file. PostgreSQL is backed up with pg_dump.";

constexpr const char* kImportFooter =
    "\nWith --database into that PostgreSQL database, which must exist and be empty (CREATE DATABASE); its\n"
    "schema is made. Without it into DIR, which must have no database yet: a node with SQLite again.\n"
    "DIR must hold a copy of the master.key of the node that was exported. All of the file is checked before "
    "a\n"
    "row is written, and what was written is compared with the file at the end. An import that was cut off\n"
    "leaves nothing that a relay serves; import again, and it starts over.";

void add_move_commands(CLI::App& app, std::function<int()>& run) {
  CLI::App* out = app.add_subcommand("export", "Write all of a SQLite node into one file")->group("Relay");
  out->footer(kExportFooter);
  auto arguments = std::make_shared<ExportArguments>();
  out->add_option("--to", arguments->to, "The file to make")->type_name("FILE")->required()->group("General");
  out->add_flag("--live", arguments->live, "Also while a relay runs on the directory: a backup, not a move")
      ->group("General");
  out->callback([&run, arguments, flags = add_flags(*out, {"data_dir", "database"})] {
    run = [arguments, flags] {
      return run_with(*flags, [&](const Settings& settings) { return export_node(settings, *arguments); });
    };
  });

  CLI::App* in =
      app.add_subcommand("import", "Put such a file into a new database: PostgreSQL, or SQLite again")
          ->group("Relay");
  in->footer(kImportFooter);
  auto from = std::make_shared<std::string>();
  in->add_option("--from", *from, "The file of postern export")
      ->type_name("FILE")
      ->required()
      ->group("General");
  in->callback([&run, from, flags = add_flags(*in, {"data_dir", "database"})] {
    run = [from, flags] {
      return run_with(*flags, [&](const Settings& settings) { return import_node(settings, *from); });
    };
  });
}

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
  add_move_commands(app, run);
}

}  // namespace postern::control
