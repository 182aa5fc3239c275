#include "relay/store/sqlite/event_log.hpp"

#include <cstring>

#include "base/log.hpp"
#include "relay/store/commit_order.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/rows.hpp"

namespace postern::relay {
namespace {

constexpr auto kSweepEvery = std::chrono::seconds(10);
constexpr std::int64_t kSweepRows = 2'000;

SipKey key_from(std::string_view bytes) {
  SipKey key{};
  if (bytes.size() != sizeof key) throw StoreFault("the dedupe key setting has a wrong size");
  std::memcpy(key.data(), bytes.data(), sizeof key);
  return key;
}

/// The fingerprints' key, made once: it is what keeps a provider from aiming at one slot.
Result<SipKey> fingerprint_key(Database& db, Random& random) {
  const std::string fresh = random.bytes(sizeof(SipKey));
  auto key = std::make_shared<SipKey>();
  auto done = write_and_wait(db, [fresh, key](Transaction& tx) -> Result<void> {
    auto made = tx.execute("INSERT OR IGNORE INTO store_setting (name, value) VALUES ('dedupe_key', ?1)",
                           {Blob{fresh}});
    if (!made) return std::unexpected(made.error());
    tx.query("SELECT value FROM store_setting WHERE name = 'dedupe_key'", {},
             [&](const Row& row) { *key = key_from(row.blob(0)); });
    return {};
  });
  if (!done) return std::unexpected(done.error());
  return *key;
}

}  // namespace

Result<std::unique_ptr<SqliteEventLog>> SqliteEventLog::open(SqliteDatabase& db, const Clock& clock,
                                                             Random& random, EventLogOptions options) {
  const auto key = fingerprint_key(db, random);
  if (!key) return std::unexpected(key.error());
  std::unique_ptr<SqliteEventLog> log(new SqliteEventLog(db, clock, *key, options));
  if (auto loaded = log->load_dedupe(); !loaded) return std::unexpected(loaded.error());
  return log;
}

SqliteEventLog::SqliteEventLog(SqliteDatabase& db, const Clock& clock, SipKey key, EventLogOptions options)
    : db_(db), clock_(clock), key_(key), options_(options), dedupe_(options.dedupe_entries_max) {}

SqliteEventLog::~SqliteEventLog() {
  db_.stop();
}

/// As a write: on the writer thread, which owns the index from here on.
Result<void> SqliteEventLog::load_dedupe() {
  return write_and_wait(db_, [this](Transaction& tx) -> Result<void> {
    db_.writer().listen(this);
    tx.query("SELECT event_row, fingerprint, expires_at FROM dedupe WHERE expires_at > ?1",
             {rows::time(clock_.now())}, [this](const Row& row) {
               dedupe_.add(static_cast<std::uint64_t>(row.integer(1)), row.integer(0), rows::time_at(row, 2));
             });
    dedupe_entries_.store(dedupe_.size(), std::memory_order_relaxed);
    return {};
  });
}

Time SqliteEventLog::group_time() {
  if (!group_time_) group_time_ = clock_.now();
  return *group_time_;
}

std::optional<EventId> SqliteEventLog::find_first(sqlite::Connection& connection, const Event& event,
                                                  std::uint64_t fingerprint, std::int64_t& row) {
  std::optional<EventId> first;
  dedupe_.find(fingerprint, [&](std::int64_t candidate) {
    const sqlite::Use check(
        connection.prepared("SELECT e.id FROM dedupe d JOIN event e ON e.row = d.event_row WHERE d.event_row "
                            "= ?1 AND d.expires_at > ?2 "
                            "AND e.workspace_id = ?3 AND e.source_id = ?4 AND e.dedupe_key = ?5"));
    check->bind(1, candidate);
    check->bind(2, to_micros(group_time()));
    check->bind_blob(3, event.workspace_id.bytes());
    check->bind_blob(4, event.source_id.bytes());
    check->bind_blob(5, event.dedupe_key);
    if (!check->step()) return false;
    first = rows::id_at<EventId>(*check, 0);
    row = candidate;
    return true;
  });
  return first;
}

Admission SqliteEventLog::ask_intake(const NewDelivery& delivery, const Event& event) {
  DeliveryIntake* const intake = intake_.load(std::memory_order_acquire);
  if (!intake) return {};
  try {
    return intake->admit(delivery, event);
  } catch (const std::exception& fault) {
    log::error("store.intake_failed", {{"delivery", delivery.id}, {"error", fault.what()}});
    return {};
  }
}

void SqliteEventLog::before_commit(sqlite::Connection& connection) {
  const Time now = group_time();
  if (now - swept_at_ >= kSweepEvery || now < swept_at_) {
    swept_at_ = now;
    forget_expired(connection);
  }
  // The negative control's lie is given time to be caught in.
  if (acknowledge_before_commit()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

/// Rows go from the front, in steps. A row with a longer window than those behind it holds them back until
/// then: they do no harm, every hit is checked against its time.
void SqliteEventLog::forget_expired(sqlite::Connection& connection) {
  dedupe_.expire(*group_time_);
  const sqlite::Use forget(connection.prepared(
      "DELETE FROM dedupe WHERE event_row < coalesce((SELECT event_row FROM "
      "(SELECT event_row, expires_at FROM dedupe ORDER BY event_row LIMIT ?2) WHERE expires_at > ?1 LIMIT "
      "1), "
      "(SELECT max(event_row) + 1 FROM (SELECT event_row FROM dedupe ORDER BY event_row LIMIT ?2)))"));
  forget->bind(1, to_micros(*group_time_));
  forget->bind(2, kSweepRows);
  forget->step();
}

void SqliteEventLog::after_commit() {
  group_time_.reset();
  dedupe_entries_.store(dedupe_.size(), std::memory_order_relaxed);
  dropped_early_.store(dedupe_.dropped_early(), std::memory_order_relaxed);
  DeliveryIntake* const intake = intake_.load(std::memory_order_acquire);
  try {
    if (intake && !leased_.empty()) intake->handed_over(std::exchange(leased_, {}));
    if (intake && std::exchange(wake_, false)) intake->wake();
  } catch (const std::exception& fault) {
    log::error("store.intake_failed", {{"error", fault.what()}});
  }
  leased_.clear();
  post_replies(std::exchange(replies_, {}));
}

void SqliteEventLog::backlog(std::function<void(Result<std::vector<Backlog>>)> done) {
  auto found = std::make_shared<std::map<DestinationId, Backlog>>();
  auto count = [found](Transaction& tx, std::string_view sql, std::uint64_t Backlog::* field) {
    tx.query(sql, {}, [&](const Row& row) {
      const auto id = rows::id_at<DestinationId>(row, 0);
      Backlog& entry = (*found)[id];
      entry.destination_id = id;
      entry.*field = static_cast<std::uint64_t>(row.integer(1));
    });
  };
  db_.read(
      [count, found](Transaction& tx) {
        count(tx, "SELECT destination_id, count(*) FROM delivery WHERE state = 0 GROUP BY destination_id",
              &Backlog::pending);
        count(tx, "SELECT destination_id, count(*) FROM delivery WHERE state = 2 GROUP BY destination_id",
              &Backlog::parked);
        tx.query("SELECT DISTINCT destination_id FROM delivery WHERE state <= 2 AND order_key <> 0", {},
                 [found](const Row& row) {
                   const auto id = rows::id_at<DestinationId>(row, 0);
                   Backlog& entry = (*found)[id];
                   entry.destination_id = id;
                   entry.in_order = true;
                 });
      },
      [found, done = std::move(done)](Result<void> outcome) {
        if (!outcome) return done(std::unexpected(outcome.error()));
        std::vector<Backlog> list;
        for (const auto& [id, entry] : *found) list.push_back(entry);
        done(std::move(list));
      });
}

Result<std::size_t> SqliteEventLog::recover() {
  auto count = std::make_shared<std::int64_t>(0);
  auto outcome = write_and_wait(db_, [count, now = clock_.now()](Transaction& tx) -> Result<void> {
    // What was leased was due; its old time keeps the oldest first.
    auto changed = tx.execute(
        fmt::format("UPDATE delivery SET state = CASE WHEN crashes >= {0} THEN 4 ELSE 0 END, "
                    "reason = CASE WHEN crashes >= {0} THEN 'worker_crashed' ELSE 'relay_restarted' END, "
                    "crashes = max(crashes, 1), next_at = min(next_at, ?1), updated_at = ?1 WHERE state = 1",
                    kCrashesMost),
        {rows::time(now)});
    if (!changed) return std::unexpected(changed.error());
    *count = *changed;
    return {};
  });
  if (!outcome) return std::unexpected(outcome.error());
  return static_cast<std::size_t>(*count);
}

void SqliteEventLog::give_back_leases() {
  auto done = write_and_wait(db_, [](Transaction& tx) -> Result<void> {
    auto changed = tx.execute(
        "UPDATE delivery SET state = 0, reason = 'shutdown', crashes = 0, lease = (lease + 1) & ?1 WHERE "
        "state = 1",
        {std::int64_t{LeaseToken::kLeaseMask}});
    return changed ? Result<void>() : std::unexpected(changed.error());
  });
  if (!done) log::warn("store.leases_not_given_back", {{"error", done.error().message}});
}

EventLogStats SqliteEventLog::stats() const {
  return {.events = events_.load(std::memory_order_relaxed),
          .duplicates = duplicates_.load(std::memory_order_relaxed),
          .dedupe_entries = dedupe_entries_.load(std::memory_order_relaxed),
          .dedupe_dropped_early = dropped_early_.load(std::memory_order_relaxed)};
}

}  // namespace postern::relay
