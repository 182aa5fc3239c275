#include "control/cli/resource.hpp"

namespace postern::control {
namespace {

constexpr Column kSourceColumns[] = {{"NAME", "name"},
                                     {"PROVIDER", "provider"},
                                     {"ENABLED", "enabled"},
                                     {"INGEST URL", "ingest_url"},
                                     {"ID", "id"}};
constexpr FieldFlag kSourceFields[] = {
    {.flag = "--provider",
     .field = "provider",
     .help = "Who sends: standard-webhooks, stripe, github, shopify, slack, chargify or generic-hmac",
     .update = false,
     .required = true},
    {.flag = "--name", .field = "name", .help = "A new name", .create = false},
    {.flag = "--secret",
     .field = "secrets",
     .kind = FieldKind::texts,
     .help =
         "A signing secret; may be repeated (other users of the machine can see it: prefer --secret-file)"},
    {.flag = "--secret-file",
     .field = "secrets",
     .kind = FieldKind::secret_file,
     .help = "A file with one signing secret, - for stdin; may be repeated"},
    {.flag = "--unsigned",
     .field = "unsigned",
     .kind = FieldKind::boolean,
     .help = "Accept anything from anyone"},
    {.flag = "--enabled",
     .field = "enabled",
     .kind = FieldKind::boolean,
     .help = "--enabled=false switches it off"},
    {.flag = "--body-limit-bytes",
     .field = "body_limit_bytes",
     .kind = FieldKind::integer,
     .help = "Larger bodies are refused with 413"},
    {.flag = "--dedupe-window",
     .field = "dedupe_window",
     .help = "How long a repeat is recognised, such as 7d"},
    {.flag = "--rate-limit",
     .field = "rate_limit",
     .kind = FieldKind::rate,
     .help =
         "Requests a second it takes, and at once: 100 or 100:200; default: what the relay's settings say"},
    {.flag = "--scheme",
     .field = "scheme",
     .kind = FieldKind::json,
     .help = "generic-hmac: how the sender signs, as JSON or @FILE"},
};

constexpr Column kDestinationColumns[] = {{"NAME", "name"},
                                          {"KIND", "kind"},
                                          {"URL", "url"},
                                          {"ENABLED", "enabled"},
                                          {"MODE", "status.mode"},
                                          {"BREAKER", "status.breaker.state"},
                                          {"ID", "id"}};
constexpr FieldFlag kDestinationFields[] = {
    {.flag = "--kind",
     .field = "kind",
     .help = "http, agent, slack or nats",
     .update = false,
     .required = true},
    {.flag = "--url", .field = "url", .help = "Where to; for an agent as its host sees it; none for nats"},
    {.flag = "--name", .field = "name", .help = "A new name", .create = false},
    {.flag = "--agent",
     .field = "agent_id",
     .kind = FieldKind::reference,
     .help = "Kind agent: its name or id",
     .refers_to = "agents"},
    {.flag = "--subject",
     .field = "subject",
     .help = "Kind nats: what to publish on, such as 'postern.{workspace}.{source}.{domain}'"},
    {.flag = "--event-map",
     .field = "event_map",
     .kind = FieldKind::json,
     .help =
         "Kind nats: own names of events, as JSON or @FILE: '{\"stripe:invoice.paid\":\"billing.paid\"}'"},
    {.flag = "--timeout", .field = "timeout", .help = "For one attempt, such as 30s"},
    {.flag = "--retry",
     .field = "retry_schedule",
     .kind = FieldKind::texts,
     .help = "The wait before an attempt, the first included; repeated: --retry 0 --retry 5s --retry 1m"},
    {.flag = "--final-status",
     .field = "final_statuses",
     .kind = FieldKind::integers,
     .help = "An answer that no retry would change; may be repeated"},
    {.flag = "--concurrency", .field = "concurrency", .kind = FieldKind::integer, .help = "Attempts at once"},
    {.flag = "--rate-limit",
     .field = "rate_limit",
     .kind = FieldKind::json,
     .help = "Attempts a second, as JSON or @FILE: {\"per_second\":10,\"burst\":20}; 0 for no limit"},
    {.flag = "--ordering",
     .field = "ordering",
     .help = "none; destination: one at a time, and nothing overtakes; key: the same among those of one key"},
    {.flag = "--ordering-key",
     .field = "ordering_key",
     .help = "With --ordering key, where it stands: /customer/id in the body, or header:X-Customer"},
    {.flag = "--breaker",
     .field = "breaker",
     .kind = FieldKind::json,
     .help = "When it counts as down, as JSON or @FILE: {\"failures_in_a_row\":5,\"open_first\":\"10s\"}"},
    {.flag = "--signed",
     .field = "signed",
     .kind = FieldKind::boolean,
     .help = "--signed=false sends no signature"},
    {.flag = "--rotate-signing-secret",
     .field = "rotate_signing_secret",
     .kind = FieldKind::boolean,
     .help = "Make a new signing secret and show it",
     .create = false},
    {.flag = "--enabled",
     .field = "enabled",
     .kind = FieldKind::boolean,
     .help = "--enabled=false switches it off"},
};

constexpr Column kRouteColumns[] = {
    {"ID", "id"}, {"SOURCE", "source_id"}, {"DESTINATION", "destination_id"}, {"ENABLED", "enabled"}};
constexpr FieldFlag kRouteFields[] = {
    {.flag = "--source",
     .field = "source_id",
     .kind = FieldKind::reference,
     .help = "Name or id",
     .refers_to = "sources",
     .update = false,
     .required = true},
    {.flag = "--destination",
     .field = "destination_id",
     .kind = FieldKind::reference,
     .help = "Name or id",
     .refers_to = "destinations",
     .update = false,
     .required = true},
    {.flag = "--filter", .field = "filter", .help = "jq: which events go; \"\" takes it away"},
    {.flag = "--filter-file",
     .field = "filter",
     .kind = FieldKind::text_file,
     .help = "A file with the filter, - for stdin"},
    {.flag = "--transform", .field = "transform", .help = "jq: what is sent as the body; \"\" takes it away"},
    {.flag = "--transform-file",
     .field = "transform",
     .kind = FieldKind::text_file,
     .help = "A file with the transform, - for stdin"},
    {.flag = "--enabled",
     .field = "enabled",
     .kind = FieldKind::boolean,
     .help = "--enabled=false switches it off"},
};

constexpr Column kAgentColumns[] = {{"NAME", "name"},
                                    {"STATE", "state"},
                                    {"CONNECTION", "connection"},
                                    {"NODE", "node"},
                                    {"LAST SEEN", "last_seen_at"},
                                    {"ID", "id"}};
constexpr FieldFlag kAgentFields[] = {
    {.flag = "--name", .field = "name", .help = "A new name", .create = false},
    {.flag = "--replicas",
     .field = "replicas",
     .kind = FieldKind::boolean,
     .help = "Let several processes hold sessions as this agent"},
    {.flag = "--on-copy",
     .field = "on_copy",
     .help = "alert or deny: what follows when its state directory seems to be copied",
     .create = false},
};

constexpr Resource kResources[] = {
    {.kind = "sources",
     .one = "source",
     .about = "Where providers send",
     .examples = "  postern sources create github --provider github --secret-file secret.txt\n"
                 "  postern sources create open --provider github --unsigned\n"
                 "  postern sources create own --provider generic-hmac --secret-file secret.txt \\\n"
                 "    --scheme '{\"header\":\"X-Signature\",\"prefix\":\"sha256=\",\"encoding\":\"hex\"}'\n"
                 "  postern sources update github --enabled=false\n"
                 "  postern sources update github --rate-limit 500:2000\n"
                 "Every field of --scheme: components/schemas/Scheme of the relay's /api/v1/openapi.yaml\n",
     .columns = kSourceColumns,
     .fields = kSourceFields},
    {.kind = "destinations",
     .one = "destination",
     .about = "Where events go",
     .examples =
         "  postern destinations create app --kind agent --agent cellar --url http://localhost:8000/hooks\n"
         "  postern destinations create shop --kind http --url https://shop.example/hooks --retry 0 --retry "
         "30s\n"
         "  postern destinations create team --kind slack --url https://hooks.slack.com/services/…\n"
         "  postern destinations create bus --kind nats --subject 'postern.{workspace}.{source}.{domain}'\n"
         "  postern destinations update app --rotate-signing-secret\n"
         "  postern destinations update shop --rate-limit '{\"per_second\":10}' --ordering destination\n"
         "  postern destinations reset-breaker shop\n",
     .columns = kDestinationColumns,
     .fields = kDestinationFields},
    {.kind = "routes",
     .one = "route",
     .about = "Which source goes to which destination",
     .examples =
         "  postern routes create --source github --destination app\n"
         "  postern routes create --source stripe --destination team \\\n"
         "    --filter '.event.type == \"invoice.paid\"' --transform '{text: .body.data.object.number}'\n"
         "  postern routes test --event evt_… --filter '.body.action == \"opened\"'\n"
         "  postern routes update rte_… --filter-file filter.jq\n"
         "  postern routes update rte_… --enabled=false\n"
         "What a program sees and gives: docs/routes.md\n",
     .named = false,
     .columns = kRouteColumns,
     .fields = kRouteFields},
    {.kind = "agents",
     .one = "agent",
     .about = "Processes on private hosts",
     .examples = "  postern agents enroll cellar --allow localhost:8000\n"
                 "  postern agents list\n"
                 "  postern agents rotate cellar\n"
                 "  postern agents revoke cellar\n",
     .columns = kAgentColumns,
     .fields = kAgentFields},
};

}  // namespace

std::span<const Resource> resources() {
  return kResources;
}

}  // namespace postern::control
