#include "relay/store/postgres/partitions.hpp"
#include "relay/store/postgres/advisory_lock.hpp"

namespace postern::relay {
namespace {

constexpr std::int64_t kHour = std::int64_t{3'600} * 1'000'000;
constexpr std::int64_t kDay = 24 * kHour;
constexpr int kRowBits = 40;

struct Range {
  std::string_view table;
  std::int64_t from, to;
};

std::vector<Range> ranges_of(std::int64_t day) {
  const auto [row, next_row] = Partitions::event_rows(day);
  return {{"event", row, next_row},
          {"event_duplicate", row, next_row},
          {"dedupe", day, day + 1},
          {"attempt", day * kDay, (day + 1) * kDay}};
}

bool is_attached(pg::Connection& connection, const std::string& name) {
  const pg::Params params = std::move(pg::Params().add_text(name));
  const auto found = connection.run(
      "SELECT 1 FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relname = $1 AND "
      "pg_table_is_visible(c.oid)",
      params);
  return found.size() > 0;
}

/// Made beside the parent and then attached: CREATE TABLE … PARTITION OF would lock out every writer.
void make(pg::Connection& connection, const Range& range, const std::string& name) {
  const bool hot = range.table == "event" || range.table == "attempt";
  connection.script(fmt::format("CREATE TABLE IF NOT EXISTS {} (LIKE {} INCLUDING ALL){}", name, range.table,
                                hot ? " WITH (toast_tuple_target = 8160)" : ""));
  connection.script(fmt::format("ALTER TABLE {} ATTACH PARTITION {} FOR VALUES FROM ({}) TO ({})",
                                range.table, name, range.from, range.to));
}

}  // namespace

std::string Partitions::name_of(std::string_view table, std::int64_t day) {
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format("{}_{:04}{:02}{:02}", table, static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::pair<std::int64_t, std::int64_t> Partitions::event_rows(std::int64_t day) {
  return {(day * 24) << kRowBits, ((day + 1) * 24) << kRowBits};
}

std::int64_t Partitions::day_of(Time time) {
  return std::chrono::floor<std::chrono::days>(time).time_since_epoch().count();
}

std::int64_t Partitions::event_row_base(Time time) {
  return (to_micros(time) / kHour) << kRowBits;
}

bool Partitions::known(std::int64_t day) const {
  const std::lock_guard lock(mutex_);
  return known_.contains(day);
}

void Partitions::ensure(pg::Connection& connection, std::int64_t day) {
  if (known(day)) return;
  // One node at a time, so that two never make the same table at once.
  const pg::AdvisoryLock turn(connection, pg::kPartitionsLock, "store.partition_lock_kept");
  for (const Range& range : ranges_of(day)) {
    const std::string name = name_of(range.table, day);
    if (!is_attached(connection, name)) make(connection, range, name);
  }
  const std::lock_guard lock(mutex_);
  known_.insert(day);
}

void Partitions::forget() {
  const std::lock_guard lock(mutex_);
  known_.clear();
}

}  // namespace postern::relay
