#pragma once
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "relay/store/event_log.hpp"
#include "tests/simulation/scheduler.hpp"
#include "tests/simulation/witness.hpp"

namespace postern::simulation {

/// What the relay's database holds, and its statements: each member is one transaction, by the rules of the
/// engines (relay/store). It outlives the processes.
class SimulatedStore {
 public:
  SimulatedStore(const Scheduler& scheduler, Witness& witness) : scheduler_(scheduler), witness_(witness) {}

  struct Row {
    std::int64_t number = 0;
    relay::Delivery delivery;
    std::shared_ptr<const relay::Event> event;
    relay::OrderKey order_key = relay::kNoOrder;
    unsigned tries = 0, answered = 0, crashes = 0;
    std::int64_t lease = 0;
    // By the true time:
    SteadyTime inserted_at, leased_at;
    SteadyTime recorded_at;               // as it is; by whom it was leased
    int node = 0;                         // that leases it
    std::map<std::int64_t, int> holders;  // of each of its leases, by number: the node
  };

  /// Whether an event with this dedupe key has been committed.
  bool holds(const std::string& dedupe_key) const { return keys_.contains(dedupe_key); }
  /// Each of those that lease says as which node; one that is buried may do so as well.
  void insert(int node, const relay::NewEvent& event, std::span<const relay::Admission> admissions, Time now);
  /// Of the one that insert() has leased.
  relay::LeasedDelivery leased(DeliveryId id) const;
  /// Returns how many still held their lease.
  std::size_t complete(std::span<const relay::Completion> completions);
  std::vector<std::uint64_t> mark_started(std::span<const relay::EventLog::Started> started);
  std::vector<relay::LeasedDelivery> claim_due(int node, Time now, std::size_t limit,
                                               std::span<const DestinationId> except);
  std::vector<relay::LeasedDelivery> claim_waiting(int node, DestinationId destination, Time now,
                                                   std::size_t limit);
  relay::EventLog::Heads claim_heads(int node, const relay::EventLog::HeadsWanted& wanted);
  std::optional<Time> next_due(Time now) const;
  std::vector<relay::EventLog::Backlog> backlog() const;
  /// A new node, which gets the number that it returns; the one before is buried.
  int join() { return living_ = ++last_node_; }
  void bury() { living_ = kNobody; }
  /// What no living node leases: its process is gone, or counts as gone.
  std::size_t release_dead(Time now);
  /// Of these, what is still leased by this very lease: the answer to the claim was lost.
  void release(std::span<const relay::LeasedDelivery> doubtful, Time now);
  void give_back_all(int node);

  const std::map<DeliveryId, Row>& rows() const { return rows_; }
  const std::set<DeliveryId>& open_rows() const { return open_rows_; }  ///< those that can still move
  std::size_t open() const { return open_rows_.size(); }
  bool holds(const Row& row, std::uint64_t lease_token) const;
  /// The node that this lease was given to, whatever has become of it.
  int holder(DeliveryId id, std::uint64_t lease_token) const;

 private:
  using Line = std::vector<Row*>;
  static constexpr int kNobody = -1;
  relay::LeasedDelivery lease(Row& row, int node);
  void release(Row& row, Time now);
  void move_on(Row& row, const relay::Completion& completion);
  void move_to(Row& row, relay::DeliveryState state, std::string reason);
  std::vector<relay::LeasedDelivery> lease_first(int node, Line found, std::size_t limit);
  std::map<relay::OrderKey, Line> lines(DestinationId destination, relay::OrderKey after);
  void take_run(int node, const relay::EventLog::HeadsWanted& wanted, const Line& line,
                relay::EventLog::Heads& heads);

  const Scheduler& scheduler_;
  Witness& witness_;
  std::map<DeliveryId, Row> rows_;
  std::set<DeliveryId> open_rows_;
  std::set<std::string> keys_;
  int last_node_ = 0;
  int living_ = 0;
};

}  // namespace postern::simulation
