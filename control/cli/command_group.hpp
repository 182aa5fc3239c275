#pragma once
#include <CLI/CLI.hpp>

#include <memory>

#include "control/cli/actions.hpp"

/// How a command of the operator is added: what they all can be told, and what they all do.
namespace postern::control {

using Action = std::function<Outcome<std::string>(ApiClient&, Form)>;

/// What every command of a group can be told.
struct Common {
  ConnectionFlags connection;
  bool json = false;
  Form form() const { return json ? Form::json : Form::people; }
};

/// Tells why on stderr; the exit code.
int fail_with(const CommandError& error);
Result<Connection> connect(const Common& common);
/// Connects, acts and prints; the exit code.
int perform(const Common& common, const Action& action);
void add_limit(CLI::App& command, std::size_t& most);

/// One group of commands ("sources"), and how its verbs are added.
class Group {
 public:
  Group(CLI::App& app, std::function<int()>& run, std::string name, std::string about)
      : run_(run),
        common_(std::make_shared<Common>()),
        app_(*app.add_subcommand(std::move(name), std::move(about))) {
    app_.group("Operate")->require_subcommand(1);
    app_.add_option("--url", common_->connection.url, "Admin address of the relay")->type_name("URL");
    app_.add_option("--key", common_->connection.key,
                    "API key (other users of the machine can see it: prefer POSTERN_KEY)")
        ->type_name("KEY");
    app_.add_option("--data-dir", common_->connection.data_dir,
                    "The relay's data directory, to read both from")
        ->type_name("DIR");
    app_.add_flag("--json", common_->json, "The API's JSON instead of text for people");
  }

  void footer(std::string_view examples) { app_.footer("\nExamples:\n" + std::string(examples)); }

  /// A verb; add its own flags to what is returned, before parsing.
  CLI::App& verb(std::string name, std::string about, Action action) {
    CLI::App* command = app_.add_subcommand(std::move(name), std::move(about));
    command->fallthrough();
    command->callback([&run = run_, common = common_, action = std::move(action)] {
      run = [common, action] { return perform(*common, action); };
    });
    return *command;
  }

  std::function<int()>& run_;
  std::shared_ptr<Common> common_;
  CLI::App& app_;
};

}  // namespace postern::control
