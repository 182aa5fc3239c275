#pragma once
#include "relay/retention_times.hpp"
#include "relay/store/postgres/connection.hpp"

namespace postern::relay {

/// Drops whole days of events and attempts that no workspace keeps any more. A day of events stays while an
/// open delivery needs one of them, and while a repeat of one could still come in; what of it can go is then
/// removed row by row (RetentionRepository).
///
/// Between the look for open deliveries and the drop no new one may be made: the day's rows are in
/// retention_going then, in the same serializable transaction as the look, and whoever makes a delivery of a
/// stored event reads it.
class OldDays {
 public:
  explicit OldDays(pg::Connection& connection) : connection_(connection) {}

  /// One node at a time; another one's turn means nothing to do. `setting`: of workspaces without times of
  /// their own. Blocks for as long as it takes, in steps that are each short. Returns how many tables it
  /// dropped.
  std::size_t drop(const Retention& setting, Time now);
  /// Drops days of dedupe keys that have all expired. Never today's or yesterday's: keys are still claimed
  /// for those, by a node whose clock is behind as well.
  void drop_expired_keys(Time now);

 private:
  std::size_t drop_attempts(Duration kept, Time now);
  std::size_t drop_events(Duration kept, Time now);
  bool begin_to_go(std::int64_t day);
  void remove_deliveries(std::int64_t day);
  void drop_table(const std::string& parent, const std::string& name);
  std::vector<std::int64_t> days_of(std::string_view table);
  bool repeats_may_come(std::int64_t day);

  pg::Connection& connection_;
};

}  // namespace postern::relay
