#pragma once
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "relay/store/append_replies.hpp"
#include "relay/store/event_log.hpp"
#include "relay/store/postgres/append_queue.hpp"
#include "relay/store/postgres/claim.hpp"
#include "relay/store/postgres/completion_queue.hpp"
#include "relay/store/postgres/doubtful_leases.hpp"
#include "relay/store/postgres/lane.hpp"
#include "relay/store/postgres/node_bus.hpp"
#include "relay/store/postgres/node_leases.hpp"
#include "relay/store/postgres/options.hpp"
#include "relay/store/postgres/order_memory.hpp"
#include "relay/store/postgres/partitions.hpp"

namespace postern::relay {

class AppendGroup;
class RowNumbers;

/// EventLog on PostgreSQL: one of several nodes that work on the same tables.
///
/// Events are written in groups, a few statements with arrays in two round trips, by several threads;
/// completions in groups by one; claims take their rows and the lease in one transaction with FOR UPDATE SKIP
/// LOCKED. A server that is away breaks nothing for good: appends get `store_busy`, completions wait here
/// until it is back, claims fail and are asked for again. `done` of everything runs on a thread of this log:
/// post, don't work.
///
/// Two statements of one group are two snapshots; what makes a duplicate safe is the unique key, and what
/// makes a lease safe is its number, so READ COMMITTED is enough throughout.
class PostgresEventLog final : public EventLog {
 public:
  /// Joins the cluster under `node_name`, 16 bytes that stay with the data directory. Blocks. Error
  /// `store_unreachable`.
  static Result<std::unique_ptr<PostgresEventLog>> open(const PostgresOptions& options, std::string node_name,
                                                        const Clock& clock);
  ~PostgresEventLog() override;

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
  bool holds_leases() const override { return leases_.good() && !(intake() && intake()->forgetting()); }
  int node() const override { return leases_.id(); }
  void announce(std::vector<DestinationId> destinations) override { bus_.publish(std::move(destinations)); }
  void carry_wakes(WakeCarrier carrier) override { bus_.carry(std::move(carrier)); }
  void heard_wake(std::string_view payload) override { bus_.heard(payload); }
  void on_catalog_change(std::function<void()> listener) override {
    bus_.on_catalog_change(std::move(listener));
  }
  EventLogStats stats() const override;
  StorePressure pressure() const override;
  void give_back_leases() override { leases_.give_back(); }
  void stop() override;

  /// What runs by itself every hour: partitions ahead, expired keys and old days dropped. For tests.
  void maintain();

 private:
  PostgresEventLog(const PostgresOptions& options, std::string node_name, const Clock& clock);
  void start();
  void write_appends();
  void append_group(pg::Link& link, RowNumbers& numbers, std::span<AppendTask> tasks);
  void settle_append(AppendGroup& group, std::span<AppendTask> tasks);
  void answer_early(std::span<AppendTask> tasks);
  void refuse(std::span<AppendTask> tasks, const Error& error);
  void write_completions();
  bool record_batches(pg::Link& link, std::span<const CompletionQueue::Batch> batches);
  std::vector<std::size_t> record(pg::Connection& connection,
                                  std::span<const CompletionQueue::Batch> batches);
  void settle_appends();
  pg::Search all_that(std::string_view find, pg::Params params);
  void claim(pg::Search search, Claimed done);
  std::int64_t due_from();
  void nothing_due_before(Time now);
  void look_at_all();
  template <class T>
  void look(std::function<T(pg::Connection&)> work, std::function<void(Result<T>)> done);
  void on_beat(pg::Connection& connection);
  void maintain_on(pg::Connection& connection);
  DeliveryIntake* intake() const { return intake_.load(std::memory_order_acquire); }

  const PostgresOptions options_;
  const Clock& clock_;
  std::atomic<bool> abandon_{false};
  std::atomic<bool> stopped_{false};
  std::atomic<DeliveryIntake*> intake_{nullptr};
  Partitions partitions_;
  DoubtfulLeases doubtful_;
  NodeLeases leases_;
  NodeBus bus_;
  AppendQueue appends_;
  CompletionQueue completions_;
  OrderMemories memories_;  ///< of the thread of claims_
  pg::Lane claims_;
  pg::Lane looks_;   ///< next_due and backlog
  pg::Lane chores_;  ///< maintenance, which may take long
  std::vector<std::thread> threads_;
  std::mutex due_mutex_;
  std::int64_t due_from_ = 0;
  std::optional<SteadyTime> looked_at_all_;
  std::atomic<std::int64_t> maintained_at_{0};
  std::optional<std::size_t> recovered_;  ///< what joining made pending, until recover() has told it
  std::atomic<std::uint64_t> events_{0}, duplicates_{0}, commits_{0}, days_dropped_{0};
};

}  // namespace postern::relay
