#include "relay/store/postgres/event_log.hpp"

#include "base/log.hpp"
#include "relay/store/postgres/bounded_stop.hpp"
#include "relay/store/postgres/database.hpp"
#include "relay/store/postgres/old_days.hpp"

namespace postern::relay {
namespace {

constexpr Duration kMaintainEvery = std::chrono::hours(1);
constexpr Duration kStopTime = std::chrono::seconds(3);
constexpr int kDaysAhead = 2;

std::int64_t steady_micros() {
  return std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Result<std::unique_ptr<PostgresEventLog>> PostgresEventLog::open(const PostgresOptions& options,
                                                                 std::string node_name, const Clock& clock) {
  std::unique_ptr<PostgresEventLog> log(new PostgresEventLog(options, std::move(node_name), clock));
  auto joined = log->recover();
  if (!joined) return std::unexpected(joined.error());
  log->recovered_ = *joined;
  log->start();
  return log;
}

PostgresEventLog::PostgresEventLog(const PostgresOptions& options, std::string node_name, const Clock& clock)
    : options_(options),
      clock_(clock),
      leases_(options, std::move(node_name), abandon_),
      bus_(options, abandon_),
      appends_(
          {options.appends_max, options.append_bytes_max, options.group_tasks_max, options.group_bytes_max}),
      claims_(options.claim_connection(), {1, options.queue_max}, abandon_),
      looks_(options.connection("look"), {1, options.queue_max}, abandon_),
      chores_(options.connection("chores"), {1, 4}, abandon_) {}

PostgresEventLog::~PostgresEventLog() {
  stop();
}

void PostgresEventLog::start() {
  leases_.start({.lost =
                     [this] {
                       if (intake()) intake()->leases_lost();
                     },
                 .taken_over =
                     [this](std::size_t) {
                       look_at_all();
                       if (intake()) intake()->wake({});
                     },
                 .each_beat = [this](pg::Connection& connection) { on_beat(connection); }});
  bus_.on_wake([this](std::vector<DestinationId> destinations) {
    if (intake()) intake()->wake(std::move(destinations));
  });
  bus_.start();
  for (std::size_t i = 0; i < options_.append_threads; ++i)
    threads_.emplace_back([this] { write_appends(); });
  threads_.emplace_back([this] { write_completions(); });
}

/// On the heartbeat's connection.
void PostgresEventLog::on_beat(pg::Connection& connection) {
  if (doubtful_.settle(connection) > 0) {
    look_at_all();
    if (intake()) intake()->wake({});
  }
  if (steady_micros() - maintained_at_ < kMaintainEvery.count()) return;
  maintained_at_ = steady_micros();
  const auto offer = chores_.submit([this](pg::Link& link) {
    try {
      link.with([this](pg::Connection& own) { maintain_on(own); });
    } catch (const std::exception& fault) {
      log::warn("store.maintenance_failed", {{"error", fault.what()}});
    }
  });
  if (offer != pg::Lane::Offer::taken) maintained_at_ = 0;
}

void PostgresEventLog::maintain_on(pg::Connection& connection) {
  const Time now = clock_.now();
  const auto each = [&](std::string_view step, const std::function<void()>& work) {
    try {
      work();
    } catch (const pg::Failure& failure) {
      if (failure.lost()) throw;
      connection.rollback();
      log::warn("store.maintenance_failed", {{"step", step}, {"error", failure.what()}});
    }
  };
  for (int ahead = 0; ahead <= kDaysAhead; ++ahead)
    partitions_.ensure(connection, Partitions::day_of(now) + ahead);
  each("keys", [&] { OldDays(connection).drop_expired_keys(now); });
  each("days", [&] {
    days_dropped_.fetch_add(OldDays(connection).drop(options_.retention, now), std::memory_order_relaxed);
  });
  // Another node may have committed some for a destination just as it was deleted here.
  each("orphans", [&] {
    const pg::Params params = std::move(pg::Params().add(to_micros(now)));
    connection.run(
        "UPDATE delivery d SET state = 5, reason = 'destination_deleted', updated_at = $1 WHERE d.state IN "
        "(0, 2) "
        "AND NOT EXISTS (SELECT 1 FROM destination t WHERE t.id = d.destination_id)",
        params);
  });
  each("nodes", [&] { connection.run("DELETE FROM node WHERE buried_at < now() - interval '1 day'"); });
}

void PostgresEventLog::maintain() {
  pg::Link link(options_.connection("maintain"), abandon_);
  link.with([this](pg::Connection& connection) { maintain_on(connection); });
}

/// Opening it has done that already: the node must be known before anything is leased.
Result<std::size_t> PostgresEventLog::recover() {
  if (recovered_) return std::exchange(*recovered_, 0);
  try {
    return leases_.join();
  } catch (const pg::Failure& failure) {
    return std::unexpected(unreachable(failure));
  }
}

void PostgresEventLog::stop() {
  if (stopped_.exchange(true)) return;
  const pg::BoundedStop bound(abandon_, kStopTime);
  appends_.close();
  completions_.close();
  for (auto& thread : threads_) thread.join();
  claims_.stop();
  looks_.stop();
  chores_.stop();
  bus_.stop();
  leases_.stop();
}

EventLogStats PostgresEventLog::stats() const {
  EventLogStats stats;
  stats.events = events_.load(std::memory_order_relaxed);
  stats.duplicates = duplicates_.load(std::memory_order_relaxed);
  stats.days_dropped = days_dropped_.load(std::memory_order_relaxed);
  return stats;
}

StorePressure PostgresEventLog::pressure() const {
  StorePressure pressure = appends_.pressure();
  pressure.oldest_outcome = completions_.oldest();
  return pressure;
}

}  // namespace postern::relay
