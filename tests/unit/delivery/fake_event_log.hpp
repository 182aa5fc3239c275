#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "relay/store/event_log.hpp"

namespace postern::relay {

/// One lock for everything the fakes know, so that a test can ask about all of it at once, and wait without
/// sleeping.
struct Board {
  std::mutex mutex;
  std::condition_variable changed;

  template <class Predicate>
  bool eventually(Predicate holds, std::chrono::seconds limit = std::chrono::seconds(60)) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, limit, holds);
  }
};

/// An EventLog in memory with the real one's habits: a writer thread, groups, callbacks only after the whole
/// group, fencing by lease token.
class FakeEventLog final : public EventLog {
 public:
  struct Row {
    Delivery delivery;
    std::shared_ptr<const Event> event;
    std::uint64_t token = 0;
    unsigned tries = 0;
    unsigned crashes = 0;  ///< see LeasedDelivery
    std::vector<Attempt> attempts;
    OrderKey order_key = kNoOrder;
  };

  FakeEventLog(Board& board, DeliveryIntake& intake, const Clock& clock);
  ~FakeEventLog() override;

  void append(NewEvent event, boost::asio::any_io_executor reply_on, AppendDone done) override;
  void append(NewEvent event) { append(std::move(event), {}, {}); }
  void complete(std::vector<Completion> completions, std::function<void(Result<std::size_t>)> done) override;
  void claim_due(Time now, std::size_t limit, std::vector<DestinationId> except, Claimed done) override;
  void claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) override;
  void claim_heads(HeadsWanted wanted, HeadsClaimed done) override;
  void mark_started(std::vector<Started> started,
                    std::function<void(Result<std::vector<std::uint64_t>>)> done) override;
  void next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) override;
  void backlog(std::function<void(Result<std::vector<Backlog>>)> done) override;
  Result<std::size_t> recover() override;
  bool holds_leases() const override { return !unsure_; }

  /// Puts a delivery in as an earlier process left it. Call before the dispatcher starts.
  void seed(const Delivery& delivery, std::shared_ptr<const Event> event, OrderKey order_key = kNoOrder);
  /// Runs on the writer thread, in the middle of things.
  void interfere(std::function<void(FakeEventLog&)> deed);
  void steal_lease(DeliveryId id) { rows.at(id).token += 1'000'000; }  ///< under the board's lock
  void make_due(DeliveryId id);  ///< as a retry by hand does; in interfere()
  /// Runs once, on the writer thread: the next look has leased what it has, and has not said so yet.
  void before_heads(std::function<void()> deed) { before_heads_ = std::move(deed); }
  /// The same for the next suspects: they are marked, and it has not been said yet.
  void before_marked(std::function<void()> deed) { before_marked_ = std::move(deed); }
  /// Its heartbeat is late: others may have what it has leased.
  void be_unsure(bool unsure) { unsure_ = unsure; }
  /// The next `count` calls of complete() find the queue full.
  void refuse_completions(std::size_t count) { refuse_completions_ = count; }
  /// From here on complete() is taken but not carried out, until release_completions().
  void hold_completions() { holding_ = true; }
  void release_completions();

  // Under the board's lock.
  std::map<DeliveryId, Row> rows;
  std::size_t open = 0;  ///< deliveries not in a terminal state
  std::size_t claims = 0;
  std::size_t waiting_claims = 0;  ///< of these, for one destination
  std::size_t head_claims = 0;     ///< of these, along its order keys
  std::size_t fenced_out = 0;      ///< completions whose lease was another's
  std::size_t largest_claim_limit = 0;
  std::size_t claim_at_most = SIZE_MAX;  ///< ends claims early, as the real one does for large bodies
  std::string broken;                    ///< the first rule of the store that was broken
  std::size_t in_state(DeliveryState state) const;

 private:
  struct Group {
    std::vector<LeasedDelivery> handed_over;
    bool wake = false;
    std::vector<std::function<void()>> after;
  };
  using Job = std::function<void(Group&)>;
  void enqueue(Job job);
  void run();
  void commit(std::vector<Job> jobs);
  void insert(Row row);
  void move_to(Row& row, DeliveryState state, Time next_at, std::string reason);
  void move_in_order(Row& row);
  std::size_t take_run(const HeadsWanted& wanted, const std::set<DeliveryId>& line, Heads& heads);
  LeasedDelivery lease(Row& row);
  bool apply(const Completion& completion);
  std::vector<DeliveryId> waiting(DestinationId destination, Time now, std::size_t limit);
  std::vector<DeliveryId> due(Time now, std::size_t limit, const std::vector<DestinationId>& except) const;

  Board& board_;
  DeliveryIntake& intake_;
  const Clock& clock_;
  std::map<DestinationId, std::set<std::pair<Time, DeliveryId>>> pending_;
  std::map<DestinationId, std::set<DeliveryId>> waiting_;  ///< pending or parked
  std::map<DestinationId, std::set<DeliveryId>> parked_;
  std::map<DestinationId, std::map<OrderKey, std::set<DeliveryId>>>
      in_order_;  ///< open ones, and in no other
  std::atomic<std::size_t> refuse_completions_{0};
  std::atomic<bool> holding_{false};
  std::atomic<bool> unsure_{false};
  std::function<void()> before_heads_;
  std::function<void()> before_marked_;
  std::vector<Job> held_;  ///< under the queue's lock
  std::uint64_t last_token_ = 0;

  std::mutex queue_mutex_;
  std::condition_variable queue_changed_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::thread writer_;
};

}  // namespace postern::relay
