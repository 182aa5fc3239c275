#pragma once
#include <atomic>
#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "relay/store/append_replies.hpp"
#include "relay/store/event_log.hpp"
#include "relay/store/sqlite/database.hpp"
#include "relay/store/sqlite/dedupe_index.hpp"
#include "relay/store/sqlite/siphash.hpp"

namespace postern::relay {

struct EventLogOptions {
  std::size_t dedupe_entries_max = 32'000'000;  ///< at most about 32 bytes of memory each; see DedupeIndex
  Duration dedupe_window_max = std::chrono::hours(24 * 30);
  std::size_t claim_bytes_max = 64ULL << 20;  ///< a claim ends early when the bodies it loaded pass this
};

/// EventLog on SQLite: tasks of the writer's groups, in the order they were given.
///
/// A lease token holds the delivery's row and how often it was leased, so that a completion goes straight to
/// the row and a lease given away since then fences it out, in this process and after a restart. `done` of
/// complete(), claim_due(), claim_waiting() and next_due() runs on the writer thread after the commit, that
/// of backlog() on a reader thread: post, don't work. A duplicate asks the intake nothing and makes no
/// delivery. An event with an empty dedupe_key is never one.
class SqliteEventLog final : public EventLog, private GroupListener {
 public:
  /// Reads the dedupe keys that are still in force. Blocks; call before serving.
  static Result<std::unique_ptr<SqliteEventLog>> open(SqliteDatabase& db, const Clock& clock, Random& random,
                                                      EventLogOptions options = {});
  /// Stops the database: its writer thread calls back into this object.
  ~SqliteEventLog() override;

  void attach(DeliveryIntake& intake) override { intake_.store(&intake, std::memory_order_release); }

  void append(NewEvent event, boost::asio::any_io_executor reply_on, AppendDone done) override;
  void complete(std::vector<Completion> completions, std::function<void(Result<std::size_t>)> done) override;
  void mark_started(std::vector<Started> started,
                    std::function<void(Result<std::vector<std::uint64_t>>)> done) override;
  void claim_due(Time now, std::size_t limit, std::vector<DestinationId> except, Claimed done) override;
  void claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) override;
  void claim_heads(HeadsWanted wanted, HeadsClaimed done) override;
  void next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) override;
  void backlog(std::function<void(Result<std::vector<Backlog>>)> done) override;
  Result<std::size_t> recover() override;

  EventLogStats stats() const override;
  StorePressure pressure() const override { return db_.writer().pressure(); }
  void give_back_leases() override;
  void stop() override { db_.stop(); }

 private:
  friend class SqliteAppendTask;

  SqliteEventLog(SqliteDatabase& db, const Clock& clock, SipKey key, EventLogOptions options);
  Result<void> load_dedupe();
  void before_commit(sqlite::Connection& connection) override;
  void after_commit() override;
  void forget_expired(sqlite::Connection& connection);

  // What the append tasks of a group share; writer thread only.
  Time group_time();
  std::optional<EventId> find_first(sqlite::Connection& connection, const Event& event,
                                    std::uint64_t fingerprint, std::int64_t& row);
  Admission ask_intake(const NewDelivery& delivery, const Event& event);

  SqliteDatabase& db_;
  const Clock& clock_;
  const SipKey key_;
  const EventLogOptions options_;
  std::atomic<DeliveryIntake*> intake_{nullptr};

  DedupeIndex dedupe_;
  std::optional<Time> group_time_;
  std::vector<LeasedDelivery> leased_;
  bool wake_ = false;
  std::vector<AppendReply> replies_;
  Time swept_at_{};

  std::atomic<std::uint64_t> events_{0}, duplicates_{0}, dropped_early_{0};
  std::atomic<std::size_t> dedupe_entries_{0};
};

}  // namespace postern::relay
