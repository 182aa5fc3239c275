#pragma once
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "relay/store/postgres/append_queue.hpp"
#include "relay/store/postgres/node_leases.hpp"
#include "relay/store/postgres/partitions.hpp"
#include "relay/store/postgres/row_numbers.hpp"

namespace postern::relay {

/// One group of events on its way through one transaction: keys first, to learn which are new; then, in one
/// round trip, the new events with their deliveries, the count of the repeats, and the commit. May be tried
/// again from its start.
class AppendGroup {
 public:
  AppendGroup(std::span<AppendTask> tasks, DeliveryIntake* intake, const NodeLeases& leases)
      : tasks_(tasks), intake_(intake), leases_(leases) {}

  /// Throws pg::Failure; nothing is committed then, unless it is lost(). The partitions of `now` must be
  /// there.
  void write(pg::Connection& connection, RowNumbers& numbers, Time now);
  /// Gives back the room of what was admitted as leased. After a write() that failed, before the next.
  void withdraw();

  /// After write(): what became of each task.
  std::vector<Result<Appended>>& outcomes() { return outcomes_; }
  std::vector<LeasedDelivery> take_leased() { return std::exchange(leased_, {}); }
  std::vector<std::int64_t> leased_rows() const;
  int leased_under() const { return node_; }  ///< the node's number then
  bool some_not_leased() const { return some_not_leased_; }
  /// Destinations of what was parked: another node may be able to make it.
  std::vector<DestinationId>& parked_for() { return parked_for_; }
  bool was_committing() const { return committing_; }

 private:
  struct Key {
    std::size_t first;      ///< the task that stands for it
    std::int64_t hits = 0;  ///< tasks that came after the first, in this group or in all
    bool is_new = false;
  };

  void start(pg::Connection& connection, RowNumbers& numbers, Time now);
  void claim_keys(pg::Connection& connection, Time now);
  std::size_t claim_keys_of_day(pg::Connection& connection, std::int64_t day, Time now, bool begin);
  void admit_new(pg::Connection& connection, RowNumbers& numbers, Time now);
  Admission admission_of(const NewDelivery& wanted, const Event& event) const;
  void finish(pg::Connection& connection, Time now);
  void answer(const pg::Rows* firsts);
  bool is_stored(std::size_t task) const;

  std::span<AppendTask> tasks_;
  DeliveryIntake* const intake_;
  const NodeLeases& leases_;
  std::vector<std::int64_t> rows_;  ///< of each task's event
  std::unordered_map<std::string_view, Key> keys_;

  struct Admitted {
    std::size_t task;
    const NewDelivery* wanted;
    std::int64_t row;
    Admission admission;
  };
  std::vector<Admitted> admitted_;
  std::vector<LeasedDelivery> leased_;
  std::vector<Result<Appended>> outcomes_;
  std::vector<DestinationId> parked_for_;
  bool some_not_leased_ = false;
  bool committing_ = false;
  int node_ = 0;
};

}  // namespace postern::relay
