#include "relay/store/replay_repository.hpp"

#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/query.hpp"
#include "control/api/views.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::Replay;
using relay::ReplayConfiguration;
using relay::ReplayCount;
using relay::ReplayFilter;
using relay::ReplayRepository;
using relay::Transaction;

constexpr std::int64_t kRateMost = 1'000;
constexpr std::int64_t kRate = 50;
constexpr std::size_t kTextBytes = 255;

struct Wanted {
  ReplayFilter filter;
  ReplayConfiguration configuration = ReplayConfiguration::original;
  unsigned rate = kRate;
  bool dry_run = false;
};

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value() : json::value(json_text(text));
}

json::object filter_view(const ReplayFilter& filter) {
  return {{"state", relay::to_text(filter.state)},
          {"source_id", filter.source_id ? json::value(filter.source_id->to_string()) : json::value()},
          {"destination_id",
           filter.destination_id ? json::value(filter.destination_id->to_string()) : json::value()},
          {"type", text_or_null(filter.type)},
          {"reason", text_or_null(filter.reason)},
          {"since", filter.since ? json::value(to_rfc3339(*filter.since)) : json::value()},
          {"until", to_rfc3339(filter.until)}};
}

json::value time_or_null(const std::optional<Time>& time) {
  return time ? json::value(to_rfc3339(*time)) : json::value();
}

/// `held_back` is how it stands on this node, now: another one may go on with it.
json::object replay_view(const Replay& replay, const ApiServices& services) {
  const bool is_running = replay.state == relay::ReplayState::running;
  const bool held = services.shedding != nullptr && services.shedding->gives_up(relay::Work::replays);
  return {{"id", replay.id.to_string()},
          {"state", relay::to_text(replay.state)},
          {"filter", filter_view(replay.filter)},
          {"configuration", relay::to_text(replay.configuration)},
          {"held_back", held && is_running},
          {"rate", replay.rate},
          {"estimate", replay.estimate},
          {"estimate_is_least", replay.estimate_cut},
          {"made", replay.made},
          {"delivered", replay.delivered},
          {"failed", replay.failed},
          {"open", replay.open()},
          {"skipped",
           {{"body_expired", replay.skipped_expired},
            {"destination_deleted", replay.skipped_gone},
            {"no_route", replay.skipped_unrouted}}},
          {"waiting_for", text_or_null(is_running ? replay.error : "")},
          {"error", text_or_null(is_running ? "" : replay.error)},
          {"created_at", to_rfc3339(replay.created_at)},
          {"started_at", time_or_null(replay.started_at)},
          {"finished_at", time_or_null(replay.finished_at)}};
}

std::optional<Time> read_time(Fields& fields, std::string_view name) {
  const auto written = fields.text(name, 64);
  if (!written) return std::nullopt;
  const auto parsed = from_rfc3339(*written);
  if (!parsed) fields.wrong(name, "is not a time such as 2026-01-02T03:04:05Z.");
  return parsed;
}

relay::DeliveryState read_state(Fields& fields) {
  const auto written = fields.text("state", 16);
  if (!written) return relay::DeliveryState::dead;
  const auto state = relay::delivery_state_from(*written);
  if (state && relay::is_terminal(*state)) return *state;
  fields.wrong("state", "must be dead, cancelled or delivered: others are still under way.");
  return relay::DeliveryState::dead;
}

ReplayConfiguration read_configuration(Fields& fields) {
  const std::string written = fields.text("configuration", 16).value_or("original");
  if (written == "current") return ReplayConfiguration::current;
  if (written != "original") {
    fields.wrong("configuration",
                 "must be original (the same bytes again) or current (the routes as they are now).");
  }
  return ReplayConfiguration::original;
}

Wanted read_wanted(Fields& fields, Time now) {
  Wanted wanted;
  ReplayFilter& filter = wanted.filter;
  filter.state = read_state(fields);
  filter.source_id = fields.id<SourceId>("source_id");
  filter.destination_id = fields.id<DestinationId>("destination_id");
  filter.type = fields.text("type", kTextBytes).value_or("");
  filter.reason = fields.text("reason", kTextBytes).value_or("");
  filter.since = read_time(fields, "since");
  filter.until = std::min(read_time(fields, "until").value_or(now), now);
  if (filter.since && *filter.since >= filter.until)
    fields.wrong("since", "must lie before until, and in the past.");
  wanted.rate = static_cast<unsigned>(fields.integer("rate", 1, kRateMost).value_or(kRate));
  wanted.dry_run = fields.boolean("dry_run").value_or(false);
  wanted.configuration = read_configuration(fields);
  return wanted;
}

/// Which of them is not there, so that a mistyped filter is not taken for one that matches nothing.
std::optional<Problem> check_filter(Transaction& tx, const ApiServices& services, WorkspaceId workspace,
                                    const ReplayFilter& filter) {
  std::vector<FieldError> errors;
  if (filter.source_id && !relay::SourceRepository(tx, services.keyring).get(workspace, *filter.source_id))
    errors.push_back({"source_id", "names no source of this workspace."});
  if (filter.destination_id &&
      !relay::DestinationRepository(tx, services.keyring).get(workspace, *filter.destination_id))
    errors.push_back({"destination_id", "names no destination of this workspace."});
  if (errors.empty()) return std::nullopt;
  return invalid_fields(std::move(errors));
}

using Counted = std::expected<ReplayCount, Problem>;

/// On a reader's thread: the looking is bounded, but it must not stand in the way of events.
asio::awaitable<Counted> count(const ApiServices& services, Principal who, ReplayFilter filter,
                               ReplayConfiguration configuration) {
  auto job = [&services, who, configuration, filter = std::move(filter)](Transaction& tx) -> Counted {
    tx.confine(who.workspace_id);
    if (auto problem = check_filter(tx, services, who.workspace_id, filter))
      return std::unexpected(std::move(*problem));
    return ReplayRepository(tx).count(who.workspace_id, filter, configuration);
  };
  auto counted = co_await relay::read<Counted>(services.database, std::move(job));
  if (!counted) co_return std::unexpected(problem_from(counted.error()));
  co_return std::move(*counted);
}

json::object dry_view(const Wanted& wanted, const ReplayCount& counted) {
  json::array sample;
  for (const relay::Delivery& delivery : counted.sample) sample.push_back(view(delivery));
  return {{"dry_run", true},
          {"filter", filter_view(wanted.filter)},
          {"configuration", relay::to_text(wanted.configuration)},
          {"rate", wanted.rate},
          {"matching", counted.matching},
          {"matching_is_least", counted.cut},
          {"sample", std::move(sample)}};
}

Replay new_replay(const ApiServices& services, const Principal& who, const Wanted& wanted,
                  const ReplayCount& counted, Time now) {
  Replay replay;
  replay.id = services.ids.of<ReplayId>();
  replay.workspace_id = who.workspace_id;
  replay.filter = wanted.filter;
  replay.configuration = wanted.configuration;
  replay.rate = wanted.rate;
  replay.estimate = counted.matching;
  replay.estimate_cut = counted.cut;
  replay.cursor = ReplayRepository::start_of(wanted.filter);
  replay.created_at = replay.paced_until = replay.next_step_at = now;
  return replay;
}

}  // namespace

asio::awaitable<Reply> create_replay(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  const Time now = services.clock.now();
  Fields fields(*body);
  const Wanted wanted = read_wanted(fields, now);
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  auto counted = co_await count(services, call.who, wanted.filter, wanted.configuration);
  if (!counted) co_return std::unexpected(std::move(counted.error()));
  if (wanted.dry_run) co_return json_response(200, dry_view(wanted, *counted));
  const Replay replay = new_replay(services, call.who, wanted, *counted, now);
  auto job = [replay, &services](Transaction& tx) -> std::expected<Written, Problem> {
    const auto created = ReplayRepository(tx).create(replay);
    if (!created) return std::unexpected(problem_from(created.error()));
    const json::object shown = replay_view(replay, services);
    return Written{201, shown, {"replay.created", replay.id.to_string(), shown}};
  };
  co_return co_await write(services, call, std::move(job));
}

asio::awaitable<Reply> list_replays(const ApiServices& services, Call call) {
  Query query(call.request.query());
  const relay::Page page = query.page<ReplayId>();
  if (auto problem = query.finish()) co_return std::unexpected(std::move(*problem));
  auto job = [page, &services, who = call.who](Transaction& tx) -> Reply {
    const auto found = ReplayRepository(tx).list(who.workspace_id, page);
    return json_response(200,
                         listing(found, [&](const Replay& replay) { return replay_view(replay, services); }));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> get_replay(const ApiServices& services, Call call) {
  const auto id = call.id<ReplayId>("replay");
  if (!id) co_return std::unexpected(id.error());
  auto job = [id = *id, &services, who = call.who](Transaction& tx) -> Reply {
    const auto replay = ReplayRepository(tx).get(who.workspace_id, id);
    if (!replay) return std::unexpected(problem_from(replay.error()));
    return json_response(200, replay_view(*replay, services));
  };
  co_return co_await read(services, call.who, std::move(job));
}

asio::awaitable<Reply> cancel_replay(const ApiServices& services, Call call) {
  const auto id = call.id<ReplayId>("replay");
  if (!id) co_return std::unexpected(id.error());
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  if (auto problem = Fields(*body).finish()) co_return std::unexpected(std::move(*problem));
  auto job = [&services, id = *id, who = call.who](Transaction& tx) -> std::expected<Written, Problem> {
    const auto replay = ReplayRepository(tx).cancel(who.workspace_id, id, services.clock.now());
    if (!replay) return std::unexpected(problem_from(replay.error()));
    return Written{
        200, replay_view(*replay, services), {"replay.cancelled", id.to_string(), {{"made", replay->made}}}};
  };
  auto reply = co_await write(services, call, std::move(job));
  if (reply) services.deliveries.wake();  // what it cancelled may have been what others waited behind
  co_return reply;
}

}  // namespace postern::control
