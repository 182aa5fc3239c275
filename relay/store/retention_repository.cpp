#include "relay/store/retention_repository.hpp"

#include "relay/store/listing.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kLookedAgain = 50;
constexpr Duration kLookAgainAfter = std::chrono::minutes(5);

std::vector<Value> of(const RetentionJob& job) {
  return {rows::id(job.workspace_id), rows::number(job.what)};
}

std::vector<Value> and_also(std::vector<Value> values, std::vector<Value> more) {
  values.insert(values.end(), more.begin(), more.end());
  return values;
}

}  // namespace

std::string_view to_text(Retained what) {
  constexpr std::string_view texts[] = {"bodies", "events", "attempts"};
  return texts[static_cast<std::size_t>(what)];
}

std::int64_t RetentionRepository::change(std::string_view sql, const std::vector<Value>& values) {
  auto changed = tx_.execute(sql, values);
  if (!changed) throw StoreFault("retention: " + changed.error().message);
  return *changed;
}

bool RetentionRepository::take_turn(std::string_view runner, Time now, Time until) {
  return change(
             "UPDATE retention_turn SET runner = ?1, until = ?2 WHERE single = 1 AND (runner = ?1 OR until "
             "<= ?3)",
             {Blob{std::string(runner)}, rows::time(until), rows::time(now)}) == 1;
}

RetentionRepository::Mark RetentionRepository::mark(const RetentionJob& job) {
  return find_one<Mark>(
             tx_, "SELECT at, row, cursor FROM retention_mark WHERE workspace_id = ?1 AND what = ?2", of(job),
             [](const Row& row) {
               return Mark{row.integer(0), row.integer(1), rows::id_at<DeliveryId>(row, 2)};
             })
      .value_or(Mark{});
}

void RetentionRepository::set_mark(const RetentionJob& job, const Mark& mark) {
  change(
      "INSERT INTO retention_mark (workspace_id, what, at, row, cursor) VALUES (?1, ?2, ?3, ?4, ?5) ON "
      "CONFLICT "
      "(workspace_id, what) DO UPDATE SET at = ?3, row = ?4, cursor = ?5",
      and_also(of(job), {mark.at, mark.row, rows::id(mark.cursor)}));
}

bool RetentionRepository::pending(const RetentionJob& job, Time now) {
  if (exists(tx_,
             "SELECT 1 FROM retention_kept WHERE workspace_id = ?1 AND what = ?2 AND looked_at <= ?3 LIMIT 1",
             and_also(of(job), {rows::time(now - kLookAgainAfter)})))
    return true;
  if (job.what == Retained::events && has_old_replays(job)) return true;
  const Mark from = mark(job);
  if (job.what == Retained::attempts) {
    return exists(
        tx_,
        "SELECT 1 FROM (SELECT created_at FROM delivery WHERE workspace_id = ?1 AND id > ?2 ORDER BY id "
        "LIMIT 1) d WHERE d.created_at < ?3",
        {rows::id(job.workspace_id), rows::id(from.cursor), rows::time(job.before)});
  }
  return exists(
      tx_,
      "SELECT 1 FROM event e WHERE e.workspace_id = ?1 AND e.received_at >= ?2 AND e.received_at < ?4 AND "
      "(e.received_at > ?2 OR e.row > ?3) ORDER BY e.received_at LIMIT 1",
      {rows::id(job.workspace_id), from.at, from.row, rows::time(job.before)});
}

RetentionBatch RetentionRepository::remove(const RetentionJob& job, Time now) {
  RetentionBatch batch = job.what == Retained::attempts ? walk_attempts(job, now) : walk_events(job, now);
  const RetentionBatch again = look_again(job, now);
  batch.looked_at += again.looked_at;
  batch.removed += again.removed;
  if (job.what == Retained::events) batch.looked_at += forget_replays(job);
  return batch;
}

/// The next ones of the walk, as a range.
RetentionRepository::Chosen RetentionRepository::next_events(const RetentionJob& job) {
  const Mark from = mark(job);
  Chosen chosen;
  tx_.query(
      fmt::format(
          "SELECT e.received_at, e.row FROM event e WHERE e.workspace_id = ?1 AND e.received_at >= ?2 AND "
          "e.received_at < ?4 AND (e.received_at > ?2 OR e.row > ?3) ORDER BY e.received_at, e.row LIMIT {}",
          kBatch),
      {rows::id(job.workspace_id), from.at, from.row, rows::time(job.before)}, [&](const Row& row) {
        ++chosen.count;
        chosen.end = {row.integer(0), row.integer(1), {}};
      });
  chosen.where =
      "e.workspace_id = ?1 AND e.received_at >= ?2 AND e.received_at <= ?4 AND (e.received_at > ?2 OR e.row "
      "> ?3) AND "
      "(e.received_at < ?4 OR e.row <= ?5)";
  chosen.values = {rows::id(job.workspace_id), from.at, from.row, chosen.end.at, chosen.end.row};
  return chosen;
}

/// When an event must stay: an open delivery needs it. SQLite knows a repeat by the event, and gives the
/// number of its newest row to the next one when that row goes.
std::string RetentionRepository::needed(const RetentionJob& job, Chosen& chosen, Time now) {
  std::string condition = "EXISTS (SELECT 1 FROM delivery o WHERE o.event_row = e.row AND o.state < 3)";
  if (job.what != Retained::events || partitioned_) return condition;
  chosen.values.emplace_back(rows::time(now));
  return fmt::format(
      "({} OR EXISTS (SELECT 1 FROM dedupe k WHERE k.event_row = e.row AND k.expires_at > ?{}) OR e.row = "
      "(SELECT "
      "max(row) FROM event))",
      condition, chosen.values.size());
}

void RetentionRepository::pass_by(const RetentionJob& job, const Chosen& chosen, const std::string& condition,
                                  Time now) {
  std::vector<Value> values = and_also(chosen.values, {rows::time(now)});
  change(
      fmt::format(
          "INSERT INTO retention_kept (workspace_id, what, row, looked_at) SELECT e.workspace_id, {}, e.row, "
          "?{} FROM event e WHERE {} AND {} ON CONFLICT (workspace_id, what, row) DO UPDATE SET looked_at = "
          "excluded.looked_at",
          rows::number(job.what), values.size(), chosen.where, condition),
      values);
}

std::size_t RetentionRepository::remove_events(const RetentionJob& job, Chosen chosen, Time now) {
  const std::string stays = needed(job, chosen, now);
  pass_by(job, chosen, stays, now);
  const std::string goes = fmt::format("FROM event e WHERE {} AND NOT {}", chosen.where, stays);
  if (job.what == Retained::bodies) {
    // What a transform made of a body is as old as the body.
    change(fmt::format(
               "UPDATE delivery SET payload = NULL, payload_headers = NULL WHERE payload IS NOT NULL AND "
               "event_row IN (SELECT e.row {})",
               goes),
           chosen.values);
    std::vector<Value> values = and_also(chosen.values, {Blob{}});
    return static_cast<std::size_t>(
        change(fmt::format("UPDATE event AS e SET body = ?{}, body_expired = 1 WHERE {} AND NOT {}",
                           values.size(), chosen.where, stays),
               values));
  }
  if (!partitioned_) {
    change(fmt::format(
               "DELETE FROM attempt WHERE row IN (SELECT a.row FROM (SELECT e.row AS r {}) g CROSS JOIN "
               "delivery d "
               "ON d.event_row = g.r CROSS JOIN attempt a ON a.row BETWEEN d.row * 65536 AND d.row * 65536 + "
               "65535)",
               goes),
           chosen.values);
  }
  change(fmt::format("DELETE FROM event_duplicate WHERE event_row IN (SELECT e.row {})", goes),
         chosen.values);
  change(fmt::format("DELETE FROM delivery WHERE event_row IN (SELECT e.row {})", goes), chosen.values);
  return static_cast<std::size_t>(
      change(fmt::format("DELETE FROM event AS e WHERE {} AND NOT {}", chosen.where, stays), chosen.values));
}

RetentionBatch RetentionRepository::walk_events(const RetentionJob& job, Time now) {
  Chosen chosen = next_events(job);
  if (chosen.count == 0) return {};
  const RetentionBatch batch{.looked_at = chosen.count, .removed = remove_events(job, chosen, now)};
  set_mark(job, chosen.end);
  return batch;
}

/// Those that were passed by, the ones looked at longest ago first.
RetentionBatch RetentionRepository::look_again(const RetentionJob& job, Time now) {
  std::vector<std::int64_t> again;
  tx_.query(
      fmt::format(
          "SELECT row FROM retention_kept WHERE workspace_id = ?1 AND what = ?2 AND looked_at <= ?3 ORDER "
          "BY looked_at LIMIT {}",
          kLookedAgain),
      and_also(of(job), {rows::time(now - kLookAgainAfter)}),
      [&](const Row& row) { again.push_back(row.integer(0)); });
  RetentionBatch batch{.looked_at = again.size()};
  for (const std::int64_t row : again) batch.removed += look_again_at(job, row, now) ? 1 : 0;
  return batch;
}

void RetentionRepository::keep_on_list(const RetentionJob& job, std::int64_t row, Time now) {
  change(
      "INSERT INTO retention_kept (workspace_id, what, row, looked_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT "
      "(workspace_id, "
      "what, row) DO UPDATE SET looked_at = excluded.looked_at",
      and_also(of(job), {row, rows::time(now)}));
}

/// Whether it went.
bool RetentionRepository::look_again_at(const RetentionJob& job, std::int64_t row, Time now) {
  change("DELETE FROM retention_kept WHERE workspace_id = ?1 AND what = ?2 AND row = ?3",
         and_also(of(job), {row}));
  if (job.what == Retained::attempts) {
    if (attempts_done(job, row)) return remove_attempts(job, row) > 0;
    keep_on_list(job, row, now);
    return false;
  }
  // The time may have been made longer since: the walk will not come by again, so it stays on the list.
  if (exists(tx_, "SELECT 1 FROM event WHERE workspace_id = ?1 AND row = ?2 AND received_at >= ?3",
             {rows::id(job.workspace_id), row, rows::time(job.before)})) {
    keep_on_list(job, row, now);
    return false;
  }
  return remove_events(job,
                       {"e.workspace_id = ?1 AND e.row = ?2 AND e.received_at < ?3",
                        {rows::id(job.workspace_id), row, rows::time(job.before)},
                        1,
                        {}},
                       now) > 0;
}

std::uint64_t RetentionRepository::kept(Retained what) {
  return static_cast<std::uint64_t>(
      find_one<std::int64_t>(tx_,
                             "SELECT count(*) FROM (SELECT 1 FROM retention_kept WHERE "
                             "what = ?1 LIMIT 100000) k",
                             {rows::number(what)}, [](const Row& row) { return row.integer(0); })
          .value_or(0));
}

std::optional<Time> RetentionRepository::oldest_event() {
  return find_one<Time>(tx_, "SELECT received_at FROM event ORDER BY row LIMIT 1", {},
                        [](const Row& row) { return rows::time_at(row, 0); });
}

}  // namespace postern::relay
