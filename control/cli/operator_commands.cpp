#include "control/cli/operator_commands.hpp"

#include <thread>

#include "control/cli/command_group.hpp"
#include "control/cli/exit_codes.hpp"
#include "control/cli/replay_commands.hpp"

namespace postern::control {
namespace {

constexpr auto kTailPause = std::chrono::milliseconds(500);

/// Until interrupted, or until what reads the output has gone.
int tail(const Common& common, const EventQuery& query) {
  const auto connection = connect(common);
  if (!connection) return fail_with({kExitUsage, connection.error().message});
  const auto api = http_api_client(*connection);
  EventTail events(*api, query, common.form());
  while (true) {
    const auto out = events.next();
    if (!out) return fail_with(out.error());
    std::fwrite(out->data(), 1, out->size(), stdout);
    if (std::fflush(stdout) != 0) return kExitOk;
    if (events.cut())
      fmt::print(stderr, "postern: too many events at once; the oldest of them are not shown.\n");
    std::this_thread::sleep_for(kTailPause);
  }
}

void add_field_flag(CLI::App& command, const FieldFlag& field, bool creating,
                    const std::shared_ptr<GivenFlags>& given) {
  const std::string flag(field.flag);
  const auto keep = [given, flag](const std::vector<std::string>& texts) {
    auto& kept = (*given)[flag];
    kept.insert(kept.end(), texts.begin(), texts.end());
  };
  if (field.kind == FieldKind::boolean) {
    command
        .add_option_function<std::string>(
            flag, [given, flag](const std::string& text) { (*given)[flag] = {text}; },
            std::string(field.help))
        ->expected(0, 1)
        ->default_str("true")
        ->type_name("BOOL");
    return;
  }
  auto* option = command.add_option_function<std::vector<std::string>>(flag, keep, std::string(field.help));
  option->type_name("")->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  if (creating && field.required) option->required();
}

std::string with_article(std::string_view noun) {
  return fmt::format("{} {}", noun.starts_with('a') ? "an" : "a", noun);
}

void add_changing_verbs(Group& group, const Resource& resource) {
  auto name = std::make_shared<std::string>();
  auto given = std::make_shared<GivenFlags>();
  CLI::App& create = group.verb("create", fmt::format("Make {}", with_article(resource.one)),
                                [&resource, name, given](ApiClient& api, Form form) {
                                  return create_resource(api, resource, *name, *given, form);
                                });
  if (resource.named) create.add_option("name", *name, "What to call it")->required();
  CLI::App& update = group.verb("update", fmt::format("Change {}", with_article(resource.one)),
                                [&resource, name, given](ApiClient& api, Form form) {
                                  return update_resource(api, resource, *name, *given, form);
                                });
  update.add_option("which", *name, "Name or id")->required();
  for (const FieldFlag& field : resource.fields) {
    if (field.create) add_field_flag(create, field, true, given);
    if (field.update) add_field_flag(update, field, false, given);
  }
}

void add_looking_verbs(Group& group, const Resource& resource) {
  auto name = std::make_shared<std::string>();
  auto most = std::make_shared<std::size_t>(1000);
  CLI::App& list = group.verb(
      "list", fmt::format("All {}", resource.kind),
      [&resource, most](ApiClient& api, Form form) { return list_resource(api, resource, *most, form); });
  add_limit(list, *most);
  CLI::App& show = group.verb(
      "show", fmt::format("One {}", resource.one),
      [&resource, name](ApiClient& api, Form form) { return show_resource(api, resource, *name, form); });
  show.add_option("which", *name, "Name or id")->required();
  CLI::App& remove = group.verb(
      "delete", fmt::format("Delete {}", with_article(resource.one)),
      [&resource, name](ApiClient& api, Form form) { return delete_resource(api, resource, *name, form); });
  remove.add_option("which", *name, "Name or id")->required();
}

void add_agent_verbs(Group& group) {
  auto name = std::make_shared<std::string>();
  auto allow = std::make_shared<std::vector<std::string>>();
  CLI::App& enroll = group.verb(
      "enroll", "Print the command that joins a private host (makes the agent if need be)",
      [name, allow](ApiClient& api, Form form) { return enroll_agent_command(api, *name, *allow, form); });
  enroll.add_option("name", *name, "Name or id of the agent")->required();
  enroll
      .add_option("--allow", *allow,
                  "host:port the agent may reach, for the printed command; may be repeated")
      ->type_name("HOST:PORT");
  for (const auto& [verb, about] :
       {std::pair{"revoke", "Forget its secret and cut it off now"},
        std::pair{"rotate", "Have it change its secret, now or when it next connects"},
        std::pair{"clear-copy", "End the alarm about a copy of its state"}}) {
    CLI::App& command =
        group.verb(verb, about, [name, what = std::string_view(verb)](ApiClient& api, Form form) {
          return agent_command(api, *name, what, form);
        });
    command.add_option("which", *name, "Name or id")->required();
  }
}

void add_destination_verbs(Group& group) {
  auto name = std::make_shared<std::string>();
  CLI::App& reset =
      group.verb("reset-breaker", "Close its breaker now and deliver what waits",
                 [name](ApiClient& api, Form form) { return reset_breaker_command(api, *name, form); });
  reset.add_option("which", *name, "Name or id")->required();
}

void add_route_verbs(Group& group, const Resource& resource) {
  auto given = std::make_shared<GivenFlags>();
  auto event = std::make_shared<std::string>();
  auto body = std::make_shared<std::string>();
  CLI::App& test = group.verb("test", "Show what a filter and a transform make of an event; changes nothing",
                              [&resource, given, event, body](ApiClient& api, Form form) {
                                return test_route_command(api, resource, *given, *event, *body, form);
                              });
  for (const FieldFlag& field : resource.fields) {
    if (field.field == "filter" || field.field == "transform") add_field_flag(test, field, false, given);
  }
  test.add_option("--event", *event, "A stored event: evt_…");
  test.add_option("--body", *body, "A sample body in its place, or @FILE");
}

void add_event_filter(CLI::App& command, const std::shared_ptr<EventQuery>& query) {
  command.add_option("--source", query->source, "Name or id");
  command.add_option("--type", query->type, "Exactly this event type");
  command.add_option("--since", query->since, "Received since, such as 2026-01-02T03:04:05Z");
}

void add_event_verbs(Group& group) {
  auto query = std::make_shared<EventQuery>();
  CLI::App& list = group.verb("list", "Events, newest first", [query](ApiClient& api, Form form) {
    return list_events_command(api, *query, form);
  });
  add_event_filter(list, query);
  list.add_option("--status", query->status,
                  "With a delivery in this state: pending, parked, delivered, dead, …");
  list.add_option("--until", query->until, "Received before");
  add_limit(list, query->most);
  auto id = std::make_shared<std::string>();
  auto body = std::make_shared<bool>(false);
  CLI::App& show =
      group.verb("show", "One event with headers and deliveries",
                 [id, body](ApiClient& api, Form form) { return show_event_command(api, *id, *body, form); });
  show.add_option("id", *id, "evt_…")->required();
  show.add_flag("--body", *body, "Only its body, byte for byte");
  auto to = std::make_shared<std::string>();
  auto configuration = std::make_shared<std::string>();
  CLI::App& replay =
      group.verb("replay", "Deliver an event again", [id, to, configuration](ApiClient& api, Form form) {
        return replay_event_command(api, *id, *to, *configuration, form);
      });
  replay.add_option("id", *id, "evt_…")->required();
  replay.add_option("--destination", *to, "Only to this one; name or id");
  replay.add_option("--configuration", *configuration,
                    "original: the same bytes again; current: as the routes decide it now");
  CLI::App* follow = group.app_.add_subcommand("tail", "Show events as they come, until interrupted");
  follow->fallthrough();
  add_event_filter(*follow, query);
  follow->callback([&run = group.run_, common = group.common_, query] {
    run = [common, query] { return tail(*common, *query); };
  });
}

void add_delivery_verbs(Group& group) {
  auto query = std::make_shared<DeliveryQuery>();
  CLI::App& list = group.verb("list", "Deliveries, newest first", [query](ApiClient& api, Form form) {
    return list_deliveries_command(api, *query, form);
  });
  list.add_option("--event", query->event, "Of this event");
  list.add_option("--destination", query->destination, "Name or id");
  list.add_option("--source", query->source, "Name or id");
  list.add_option("--type", query->type, "Exactly this event type");
  list.add_option("--state", query->state, "pending, leased, parked, delivered, dead or cancelled");
  list.add_option("--reason", query->reason, "This reason, such as retries_exhausted or transform_failed");
  list.add_option("--since", query->since, "Made since, such as 2026-01-02T03:04:05Z");
  list.add_option("--until", query->until, "Made before");
  list.add_option("--replay", query->replay, "Made by this replay");
  add_limit(list, query->most);
  CLI::App& reasons =
      group.verb("reasons", "What ended dead or cancelled, counted by reason",
                 [query](ApiClient& api, Form form) { return delivery_reasons_command(api, *query, form); });
  reasons.add_option("--destination", query->destination, "Name or id");
  reasons.add_option("--source", query->source, "Name or id");
  reasons.add_option("--type", query->type, "Exactly this event type");
  reasons.add_option("--since", query->since, "Made since, such as 2026-01-02T03:04:05Z");
  auto id = std::make_shared<std::string>();
  CLI::App& show = group.verb("show", "One delivery with its attempts", [id](ApiClient& api, Form form) {
    return show_delivery_command(api, *id, form);
  });
  show.add_option("id", *id, "dlv_…")->required();
  CLI::App& retry = group.verb("retry", "Try it now", [id](ApiClient& api, Form form) {
    return retry_delivery_command(api, *id, form);
  });
  retry.add_option("id", *id, "dlv_…")->required();
}

}  // namespace

void add_operator_commands(CLI::App& app, std::function<int()>& run) {
  for (const Resource& resource : resources()) {
    Group group(app, run, std::string(resource.kind), std::string(resource.about));
    group.footer(resource.examples);
    add_looking_verbs(group, resource);
    add_changing_verbs(group, resource);
    if (resource.kind == "agents") add_agent_verbs(group);
    if (resource.kind == "destinations") add_destination_verbs(group);
    if (resource.kind == "routes") add_route_verbs(group, resource);
  }
  Group events(app, run, "events", "What was received");
  events.footer(
      "  postern events list --status dead\n  postern events show evt_… --body > body.json\n"
      "  postern events replay evt_… --destination app\n  postern events tail --source github\n");
  add_event_verbs(events);
  Group deliveries(app, run, "deliveries", "What became of it");
  deliveries.footer(
      "  postern deliveries list --state dead --source shop --since 2026-01-02T03:04:05Z\n  postern "
      "deliveries reasons\n  postern deliveries show dlv_…\n  postern deliveries retry "
      "dlv_…\n");
  add_delivery_verbs(deliveries);
  add_replay_commands(app, run);
  Group audit(app, run, "audit", "Who changed what");
  audit.footer("  postern audit list --limit 200\n");
  auto most = std::make_shared<std::size_t>(50);
  add_limit(audit.verb("list", "Changes and refusals, newest first",
                       [most](ApiClient& api, Form form) { return list_audit_command(api, *most, form); }),
            *most);
}

}  // namespace postern::control
