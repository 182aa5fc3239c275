#pragma once
#include <condition_variable>
#include <deque>
#include <mutex>
#include <vector>

#include "relay/store/busy_time.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// One event on its way into the store.
struct AppendTask {
  NewEvent event;
  boost::asio::any_io_executor reply_on;
  EventLog::AppendDone done;
  std::string headers;  ///< packed
  std::string key;      ///< 16 bytes; empty: never a duplicate
  std::size_t bytes = 0;
  SteadyTime since{};  ///< when it was offered
};

/// Events that wait for a writer. Bounded in number and bytes.
///
/// A transaction costs the server as much as ten events or more, so groups are not torn: while one is under
/// way the next gathers, and after one of many until as many have come again; but only until it is worth a
/// transaction of its own, or for a moment. While groups are small there is no such cost to save, and what
/// comes while one is under way goes beside it: nobody waits for another's disk. An event that meets no other
/// waits for nothing.
class AppendQueue {
 public:
  struct Bounds {
    std::size_t tasks_max, bytes_max, group_tasks_max, group_bytes_max;
    std::size_t worth_a_group = 128;
    std::size_t many = 16;  ///< in the last group: the next waits for as many
    std::size_t few = 4;    ///< not as many in the last group: the next goes beside the one under way
    Duration gather = std::chrono::milliseconds(4);
  };
  explicit AppendQueue(Bounds bounds) : bounds_(bounds) {}

  enum class Offer { taken, full, closed };
  /// Moves from `task` only when it is taken.
  Offer offer(AppendTask& task);
  /// A group of what is there; waits for a first one. Empty only when closed. Every group taken must be
  /// finished.
  struct Group {
    std::uint64_t number = 0;
    std::vector<AppendTask> tasks;
  };
  Group take();
  void finished(std::uint64_t group);
  void close();
  std::size_t depth() const;
  /// All but what outcomes wait.
  StorePressure pressure() const;

  /// Waits until every group that has been taken by now is finished, at most `patience`: what was admitted
  /// before a claim is asked for must be there for the claim to see.
  void settle(Duration patience);

 private:
  void gather(std::unique_lock<std::mutex>& lock);
  bool is_ripe() const;

  const Bounds bounds_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_, gathered_, settled_;
  std::deque<AppendTask> tasks_;
  std::size_t bytes_ = 0;
  std::size_t last_group_ = 0;
  std::uint64_t groups_ = 0;
  struct UnderWay {
    std::uint64_t number;
    SteadyTime oldest;
  };
  std::vector<UnderWay> under_way_;
  std::uint64_t taken_ = 0;
  BusyTime busy_;  ///< while any group is under way
  bool closed_ = false;
};

}  // namespace postern::relay
