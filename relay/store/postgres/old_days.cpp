#include "relay/store/postgres/old_days.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "relay/store/postgres/advisory_lock.hpp"
#include "relay/store/postgres/partitions.hpp"

namespace postern::relay {
namespace {

constexpr int kDeliveriesAtOnce = 2'000;

pg::AdvisoryLock try_turn(pg::Connection& connection) {
  return {connection, pg::kOldDaysLock, "store.days_lock_kept", pg::AdvisoryLock::Take::if_free};
}

Retention longest_in(pg::Connection& connection, const Retention& setting) {
  const auto longest = [&](std::string_view column, Duration fallback) {
    const pg::Params params = std::move(pg::Params().add(fallback.count()));
    // 0 is for ever, and so longer than any other.
    const auto found = connection.run(fmt::format("SELECT CASE WHEN bool_or(coalesce({0}, $1) = 0) THEN 0 "
                                                  "ELSE coalesce(max(coalesce({0}, $1)), $1) END "
                                                  "FROM workspace",
                                                  column),
                                      params);
    return Duration(found.integer(0, 0));
  };
  return {longest("retain_bodies", setting.bodies), longest("retain_events", setting.events),
          longest("retain_attempts", setting.attempts)};
}

/// A day is past when its last moment is.
bool is_past(std::int64_t day, Duration kept, Time now) {
  return kept > Duration::zero() && day + 1 <= Partitions::day_of(now - kept);
}

pg::Params range_of(std::int64_t day) {
  const auto [from, to] = Partitions::event_rows(day);
  return std::move(pg::Params().add(from).add(to));
}

}  // namespace

std::size_t OldDays::drop(const Retention& setting, Time now) {
  const pg::AdvisoryLock turn = try_turn(connection_);
  if (!turn.taken()) return 0;
  const Retention kept = longest_in(connection_, setting);
  return drop_attempts(kept.attempts, now) + drop_events(kept.events, now);
}

void OldDays::drop_expired_keys(Time now) {
  const pg::AdvisoryLock turn = try_turn(connection_);
  if (!turn.taken()) return;
  const pg::Params params = std::move(pg::Params().add(to_micros(now)));
  for (const std::int64_t day : days_of("dedupe")) {
    if (day >= Partitions::day_of(now) - 1) continue;
    const std::string name = Partitions::name_of("dedupe", day);
    const auto live =
        connection_.run(fmt::format("SELECT 1 FROM {} WHERE expires_at > $1 LIMIT 1", name), params);
    if (live.size() == 0) drop_table("dedupe", name);
  }
}

std::size_t OldDays::drop_attempts(Duration kept, Time now) {
  std::size_t dropped = 0;
  for (const std::int64_t day : days_of("attempt")) {
    if (!is_past(day, kept, now)) continue;
    drop_table("attempt", Partitions::name_of("attempt", day));
    ++dropped;
  }
  return dropped;
}

std::size_t OldDays::drop_events(Duration kept, Time now) {
  std::size_t dropped = 0;
  for (const std::int64_t day : days_of("event")) {
    if (!is_past(day, kept, now) || repeats_may_come(day) || !begin_to_go(day)) continue;
    remove_deliveries(day);
    drop_table("event_duplicate", Partitions::name_of("event_duplicate", day));
    drop_table("event", Partitions::name_of("event", day));
    connection_.run("DELETE FROM retention_going WHERE from_row = $1 AND to_row = $2", range_of(day));
    dropped += 2;
  }
  return dropped;
}

/// The keys of a day's events are in the same day's partition, which goes when the last of them has expired.
bool OldDays::repeats_may_come(std::int64_t day) {
  const auto days = days_of("dedupe");
  return std::ranges::find(days, day) != days.end();
}

/// False when an open delivery needs an event of that day.
bool OldDays::begin_to_go(std::int64_t day) {
  connection_.run("BEGIN ISOLATION LEVEL SERIALIZABLE");
  const auto open = connection_.run(
      "SELECT 1 FROM delivery WHERE state IN (0, 1, 2) AND event_row >= $1 AND event_row < $2 LIMIT 1",
      range_of(day));
  if (open.size() > 0) {
    connection_.run("ROLLBACK");
    return false;
  }
  connection_.run("INSERT INTO retention_going (from_row, to_row) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                  range_of(day));
  try {
    connection_.run("COMMIT");
  } catch (const pg::Failure& failure) {
    if (!failure.collision()) throw;
    connection_.rollback();
    return false;  // somebody has just made a delivery: another time
  }
  return true;
}

void OldDays::remove_deliveries(std::int64_t day) {
  static const std::string sql = fmt::format(
      "DELETE FROM delivery WHERE row = ANY (ARRAY(SELECT row FROM delivery WHERE event_row >= $1 AND "
      "event_row < $2 "
      "LIMIT {}))",
      kDeliveriesAtOnce);
  while (connection_.run(sql, range_of(day)).changed() > 0) {
  }
}

/// Detached first, beside whoever reads and writes the others; a drop alone would lock them all out. What an
/// earlier try has left half done is finished.
void OldDays::drop_table(const std::string& parent, const std::string& name) {
  pg::Params relation;
  relation.add_text(name);
  const auto attached = connection_.run(
      "SELECT i.inhdetachpending::int FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE "
      "c.relname = $1 AND "
      "pg_table_is_visible(c.oid)",
      relation);
  if (attached.size() > 0) {
    const bool pending = attached.integer(0, 0) != 0;
    connection_.script(fmt::format("ALTER TABLE {} DETACH PARTITION {} {}", parent, name,
                                   pending ? "FINALIZE" : "CONCURRENTLY"));
  }
  connection_.script(fmt::format("DROP TABLE IF EXISTS {}", name));
  log::info("store.day_dropped", {{"table", name}});
}

/// Attached or, after a drop that was cut off, detached already. Oldest first.
std::vector<std::int64_t> OldDays::days_of(std::string_view table) {
  const auto found = connection_.run(fmt::format(
      "SELECT (to_date(right(c.relname, 8), 'YYYYMMDD') - date '1970-01-01')::int FROM pg_class c WHERE "
      "c.relkind = 'r' AND c.relname ~ '^{}_[0-9]{{8}}$' AND pg_table_is_visible(c.oid) ORDER BY 1",
      table));
  std::vector<std::int64_t> days;
  days.reserve(found.size());
  for (std::size_t i = 0; i < found.size(); ++i) days.push_back(found.integer(i, 0));
  return days;
}

}  // namespace postern::relay
