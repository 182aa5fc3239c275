#pragma once
#include <cstdint>
#include <mutex>
#include <set>

#include "base/clock.hpp"
#include "relay/store/postgres/connection.hpp"

namespace postern::relay {

/// Partitions of a day: event_20261124 and so on. Made a few days ahead by maintenance, and by whoever meets
/// a day that has none. A day is that of UTC. Safe from any thread, and from several nodes at once.
class Partitions {
 public:
  /// 1 for 1970-01-02.
  static std::int64_t day_of(Time time);
  /// The lowest event.row of the hour of `time`; the numbers of rows are below 2⁴⁰.
  static std::int64_t event_row_base(Time time);
  /// The first event.row of a day, and that of the next one.
  static std::pair<std::int64_t, std::int64_t> event_rows(std::int64_t day);
  /// event_20261124
  static std::string name_of(std::string_view table, std::int64_t day);

  /// Makes what is missing for that day. Not inside a transaction. Cheap when this process has seen the day
  /// before.
  void ensure(pg::Connection& connection, std::int64_t day);
  bool known(std::int64_t day) const;
  /// A partition that was known is not there: the next ensure() looks.
  void forget();

 private:
  mutable std::mutex mutex_;
  std::set<std::int64_t> known_;
};

}  // namespace postern::relay
