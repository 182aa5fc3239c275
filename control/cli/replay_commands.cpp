#include "control/cli/replay_commands.hpp"

#include <thread>

#include "control/cli/command_group.hpp"
#include "control/cli/exit_codes.hpp"
#include "control/cli/replay_actions.hpp"

namespace postern::control {
namespace {

constexpr auto kWatchPause = std::chrono::milliseconds(500);

/// Until it is over or interrupted.
int watch(const Common& common, const std::string& id) {
  const auto connection = connect(common);
  if (!connection) return fail_with({kExitUsage, connection.error().message});
  const auto api = http_api_client(*connection);
  ReplayWatch replay(*api, id, common.form());
  while (true) {
    const auto out = replay.next();
    if (!out) return fail_with(out.error());
    std::fwrite(out->data(), 1, out->size(), stdout);
    if (std::fflush(stdout) != 0 || replay.over()) return kExitOk;
    std::this_thread::sleep_for(kWatchPause);
  }
}

void add_create(Group& group) {
  auto wish = std::make_shared<ReplayWish>();
  CLI::App& create = group.verb("create", "Deliver again what matches", [wish](ApiClient& api, Form form) {
    return create_replay_command(api, *wish, form);
  });
  create.add_option("--state", wish->state, "dead (if not given), cancelled or delivered");
  create.add_option("--source", wish->source, "Name or id");
  create.add_option("--destination", wish->destination, "Name or id");
  create.add_option("--type", wish->type, "Exactly this event type");
  create.add_option("--reason", wish->reason, "This reason, such as retries_exhausted or transform_failed");
  create.add_option("--since", wish->since, "Deliveries made since, such as 2026-01-02T03:04:05Z");
  create.add_option("--until", wish->until, "Deliveries made before");
  create.add_option("--rate", wish->rate, "Deliveries a second (50)")->check(CLI::Range(1, 1000));
  create.add_option("--configuration", wish->configuration,
                    "original (what was sent first) or current (the routes as they are now)");
  create.add_flag("--dry-run", wish->dry_run, "Only say how many there are");
}

}  // namespace

void add_replay_commands(CLI::App& app, std::function<int()>& run) {
  Group group(app, run, "replays", "Delivering many again");
  group.footer(
      "  postern replays create --source shop --since 2026-01-02T03:00:00Z --dry-run\n"
      "  postern replays create --destination app --reason retries_exhausted --rate 20\n"
      "  postern replays create --reason transform_failed --configuration current     # after the route is "
      "mended\n"
      "  postern replays watch rpl_…\n");
  add_create(group);
  auto most = std::make_shared<std::size_t>(50);
  add_limit(group.verb("list", "Replays, newest first",
                       [most](ApiClient& api, Form form) { return list_replays_command(api, *most, form); }),
            *most);
  auto id = std::make_shared<std::string>();
  group
      .verb("show", "How far one has come",
            [id](ApiClient& api, Form form) { return show_replay_command(api, *id, form); })
      .add_option("id", *id, "rpl_…")
      ->required();
  group
      .verb("cancel", "Stop it, and what it made and nobody has begun",
            [id](ApiClient& api, Form form) { return cancel_replay_command(api, *id, form); })
      .add_option("id", *id, "rpl_…")
      ->required();
  CLI::App* follow = group.app_.add_subcommand("watch", "Show its progress until it is over");
  follow->fallthrough();
  follow->add_option("id", *id, "rpl_…")->required();
  follow->callback([&run = group.run_, common = group.common_, id] {
    run = [common, id] { return watch(*common, *id); };
  });
}

}  // namespace postern::control
