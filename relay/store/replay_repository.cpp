#include "relay/store/replay_repository.hpp"

#include "relay/store/listing.hpp"
#include "relay/store/replay_insert.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kColumns =
    "id, workspace_id, state, source_id, destination_id, delivery_state, type, reason, since_at, until_at, "
    "rate, "
    "estimate, estimate_cut, cursor, walked, made, delivered, failed, skipped_expired, skipped_gone, "
    "paced_until, "
    "next_step_at, step, error, created_at, started_at, finished_at, configuration, skipped_unrouted";

std::optional<Time> optional_time_at(const Row& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return rows::time_at(row, column);
}
Value value_of(const std::optional<Time>& time) {
  return time ? Value(rows::time(*time)) : Value(nullptr);
}
std::uint64_t count_at(const Row& row, int column) {
  return static_cast<std::uint64_t>(row.integer(column));
}
std::int64_t value_of(std::uint64_t count) {
  return static_cast<std::int64_t>(count);
}

ReplayFilter filter_at(const Row& row) {
  ReplayFilter filter;
  if (!row.is_null(3)) filter.source_id = rows::id_at<SourceId>(row, 3);
  if (!row.is_null(4)) filter.destination_id = rows::id_at<DestinationId>(row, 4);
  filter.state = rows::enum_at(row, 5, DeliveryState::cancelled);
  filter.type = rows::text_at(row, 6);
  filter.reason = rows::text_at(row, 7);
  filter.since = optional_time_at(row, 8);
  filter.until = rows::time_at(row, 9);
  return filter;
}

Replay replay_at(const Row& row) {
  Replay replay;
  replay.id = rows::id_at<ReplayId>(row, 0);
  replay.workspace_id = rows::id_at<WorkspaceId>(row, 1);
  replay.state = rows::enum_at(row, 2, ReplayState::failed);
  replay.filter = filter_at(row);
  replay.rate = static_cast<unsigned>(row.integer(10));
  replay.estimate = count_at(row, 11);
  replay.estimate_cut = row.integer(12) != 0;
  replay.cursor = rows::id_at<DeliveryId>(row, 13);
  replay.walked = row.integer(14) != 0;
  replay.made = count_at(row, 15);
  replay.delivered = count_at(row, 16);
  replay.failed = count_at(row, 17);
  replay.skipped_expired = count_at(row, 18);
  replay.skipped_gone = count_at(row, 19);
  replay.paced_until = rows::time_at(row, 20);
  replay.next_step_at = rows::time_at(row, 21);
  replay.step = row.integer(22);
  replay.error = rows::text_at(row, 23);
  replay.created_at = rows::time_at(row, 24);
  replay.started_at = optional_time_at(row, 25);
  replay.finished_at = optional_time_at(row, 26);
  replay.configuration = rows::enum_at(row, 27, ReplayConfiguration::current);
  replay.skipped_unrouted = count_at(row, 28);
  return replay;
}

}  // namespace

std::string_view to_text(ReplayState state) {
  constexpr std::string_view texts[] = {"running", "done", "cancelled", "failed"};
  return texts[static_cast<std::size_t>(state)];
}

std::string_view to_text(ReplayConfiguration configuration) {
  return configuration == ReplayConfiguration::original ? "original" : "current";
}

Result<void> ReplayRepository::create(const Replay& replay) {
  const auto running =
      find_one<std::int64_t>(tx_, "SELECT count(*) FROM replay WHERE workspace_id = ?1 AND state = 0",
                             {rows::id(replay.workspace_id)}, [](const Row& row) { return row.integer(0); });
  if (running.value_or(0) >= static_cast<std::int64_t>(kRunningMost)) {
    return fail("too_many_replays",
                fmt::format("{} replays are running already, as many as may at once: wait for one "
                            "to end, or cancel one.",
                            kRunningMost));
  }
  const ReplayFilter& filter = replay.filter;
  auto made = tx_.execute(
      "INSERT INTO replay (id, workspace_id, state, source_id, destination_id, delivery_state, type, reason, "
      "since_at, "
      "until_at, rate, estimate, estimate_cut, cursor, walked, made, delivered, failed, skipped_expired, "
      "skipped_gone, "
      "paced_until, next_step_at, step, runner, claimed_until, error, created_at, configuration) VALUES (?1, "
      "?2, 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0, 0, 0, 0, 0, 0, ?14, ?14, 0, ?15, 0, '', "
      "?14, ?16)",
      {rows::id(replay.id), rows::id(replay.workspace_id), rows::id(filter.source_id),
       rows::id(filter.destination_id), rows::number(filter.state), filter.type, filter.reason,
       value_of(filter.since), rows::time(filter.until), std::int64_t{replay.rate}, value_of(replay.estimate),
       std::int64_t{replay.estimate_cut ? 1 : 0}, rows::id(replay.cursor), rows::time(replay.created_at),
       Blob{std::string(16, '\0')}, rows::number(replay.configuration)});
  if (!made) return std::unexpected(made.error());
  return {};
}

Result<Replay> ReplayRepository::get(WorkspaceId workspace, ReplayId id) {
  auto found = find_one<Replay>(
      tx_, fmt::format("SELECT {} FROM replay WHERE id = ?1 AND workspace_id = ?2", kColumns),
      {rows::id(id), rows::id(workspace)}, replay_at);
  if (!found) return std::unexpected(not_found("replay"));
  return std::move(*found);
}

Listing<Replay> ReplayRepository::list(WorkspaceId workspace, const Page& page) {
  return list_by_id<Replay>(
      tx_,
      fmt::format("SELECT {} FROM replay WHERE workspace_id = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3",
                  kColumns),
      workspace, page, replay_at);
}

Result<Replay> ReplayRepository::cancel(WorkspaceId workspace, ReplayId id, Time now) {
  auto replay = get(workspace, id);
  if (!replay) return replay;
  if (replay->state != ReplayState::running) {
    return fail("not_running", fmt::format("The replay is {} already.", to_text(replay->state)));
  }
  auto stopped = tx_.execute(
      "UPDATE delivery SET state = 5, reason = 'replay_cancelled', updated_at = ?2 WHERE workspace_id = ?3 "
      "AND state "
      "IN (0, 2) AND id IN (SELECT delivery_id FROM replay_open WHERE replay_id = ?1)",
      {rows::id(id), rows::time(now), rows::id(workspace)});
  if (!stopped) return std::unexpected(stopped.error());
  settle(*replay);
  auto forgotten = tx_.execute("DELETE FROM replay_open WHERE replay_id = ?1", {rows::id(id)});
  if (!forgotten) return std::unexpected(forgotten.error());
  replay->state = ReplayState::cancelled;
  replay->finished_at = now;
  if (auto kept = record(*replay); !kept) return std::unexpected(kept.error());
  return replay;
}

std::vector<ReplayRepository::Due> ReplayRepository::due(ReplayConfiguration configuration,
                                                         std::string_view runner, Time now,
                                                         std::size_t limit) {
  std::vector<Due> found;
  tx_.query(
      "SELECT id, workspace_id FROM replay WHERE state = 0 AND configuration = ?4 AND next_step_at <= ?1 AND "
      "(runner = ?2 OR claimed_until <= ?1) ORDER BY next_step_at LIMIT ?3",
      {rows::time(now), Blob{std::string(runner)}, static_cast<std::int64_t>(limit),
       rows::number(configuration)},
      [&](const Row& row) {
        found.push_back({rows::id_at<ReplayId>(row, 0), rows::id_at<WorkspaceId>(row, 1)});
      });
  return found;
}

std::optional<Replay> ReplayRepository::claim(const Due& which, std::string_view runner, Time now,
                                              Time until) {
  auto taken = tx_.execute(
      "UPDATE replay SET runner = ?3, claimed_until = ?4, started_at = coalesce(started_at, ?5) WHERE id = "
      "?1 AND "
      "workspace_id = ?2 AND state = 0 AND (runner = ?3 OR claimed_until <= ?5)",
      {rows::id(which.id), rows::id(which.workspace_id), Blob{std::string(runner)}, rows::time(until),
       rows::time(now)});
  if (!taken || *taken == 0) return std::nullopt;
  auto replay = get(which.workspace_id, which.id);
  if (!replay) return std::nullopt;
  return std::move(*replay);
}

void ReplayRepository::settle(Replay& replay) {
  bool changed = false;
  tx_.query(
      "SELECT coalesce(d.state, 5) FROM replay_open r LEFT JOIN delivery d ON d.workspace_id = "
      "r.workspace_id AND d.id "
      "= r.delivery_id WHERE r.replay_id = ?1",
      {rows::id(replay.id)}, [&](const Row& row) {
        const auto state = rows::enum_at(row, 0, DeliveryState::cancelled);
        if (!is_terminal(state)) return;
        changed = true;
        ++(state == DeliveryState::delivered ? replay.delivered : replay.failed);
      });
  if (!changed) return;
  auto closed = tx_.execute(
      "DELETE FROM replay_open WHERE replay_id = ?1 AND NOT EXISTS (SELECT 1 FROM delivery d WHERE "
      "d.workspace_id = "
      "replay_open.workspace_id AND d.id = replay_open.delivery_id AND d.state < 3)",
      {rows::id(replay.id)});
  if (!closed) throw StoreFault("replay_open: " + closed.error().message);
}

DeliveryId ReplayRepository::make(const Replay& replay, const ReplayCandidate& from, IdGenerator& ids,
                                  Time now, Time at) {
  const DeliveryId id = insert_replay(
      tx_, {replay.workspace_id, from.event_row, from.source_id, from.destination_id, from.id}, ids, now, at);
  note(replay, id);
  return id;
}

DeliveryId ReplayRepository::make_decided(const Replay& replay, const ReplayCandidate& from,
                                          const NewDelivery& decided, IdGenerator& ids, Time now, Time at) {
  NewDelivery fresh = decided;
  fresh.id = ids.of<DeliveryId>();
  insert_decided(tx_, {replay.workspace_id, from.event_row, from.source_id, from.destination_id, from.id},
                 fresh, now, at);
  note(replay, fresh.id);
  return fresh.id;
}

void ReplayRepository::note(const Replay& replay, DeliveryId made) {
  for (const std::string_view table : {"replay_delivery", "replay_open"}) {
    auto noted = tx_.execute(
        fmt::format("INSERT INTO {} (replay_id, delivery_id, workspace_id) VALUES (?1, ?2, ?3)", table),
        {rows::id(replay.id), rows::id(made), rows::id(replay.workspace_id)});
    if (!noted) throw StoreFault("replay_delivery: " + noted.error().message);
  }
}

Result<void> ReplayRepository::record(const Replay& replay) {
  auto kept = tx_.execute(
      "UPDATE replay SET state = ?3, cursor = ?4, walked = ?5, made = ?6, delivered = ?7, failed = ?8, "
      "skipped_expired "
      "= ?9, skipped_gone = ?10, paced_until = ?11, next_step_at = ?12, error = ?13, finished_at = ?14, step "
      "= step + 1, skipped_unrouted = ?15 "
      "WHERE id = ?1 AND step = ?2 AND state = 0",
      {rows::id(replay.id), replay.step, rows::number(replay.state), rows::id(replay.cursor),
       std::int64_t{replay.walked ? 1 : 0}, value_of(replay.made), value_of(replay.delivered),
       value_of(replay.failed), value_of(replay.skipped_expired), value_of(replay.skipped_gone),
       rows::time(replay.paced_until), rows::time(replay.next_step_at), replay.error,
       value_of(replay.finished_at), value_of(replay.skipped_unrouted)});
  if (!kept) return std::unexpected(kept.error());
  if (*kept == 0) return fail("conflict", "Another node has gone on with this replay.");
  return {};
}

}  // namespace postern::relay
