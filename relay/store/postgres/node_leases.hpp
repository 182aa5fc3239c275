#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/id.hpp"
#include "relay/store/postgres/link.hpp"
#include "relay/store/postgres/options.hpp"

namespace postern::relay {

/// This process as one of several nodes, and its right to what it has leased.
///
/// A lease belongs to a node, not to a delivery: one row with a time, moved on by a heartbeat three times in
/// a lease time, keeps any number of deliveries leased. All of it goes by the database's clock. A node that
/// lets its time pass is buried by another, and what it had leased becomes pending. Completions are fenced by
/// each delivery's own lease number, so a node that comes back from a long stop can change nothing that was
/// given to others.
///
/// A node that was itself away a moment ago buries nobody for one lease time: after the database was frozen,
/// every node finds every other one late.
class NodeLeases {
 public:
  struct Events {
    /// Others took over what this node had; it goes on as a new one. On the heartbeat's thread, which no
    /// id() gets past meanwhile: it must neither block nor ask for that.
    std::function<void()> lost;
    std::function<void(std::size_t deliveries)>
        taken_over;                                  ///< leases of dead nodes were made pending. Any thread
    std::function<void(pg::Connection&)> each_beat;  ///< after a good heartbeat, on its connection
  };
  /// `name` is the data directory's: an earlier run with the same one is dead, because the directory was
  /// locked.
  NodeLeases(const PostgresOptions& options, std::string name, const std::atomic<bool>& abandon);
  ~NodeLeases();

  /// Buries earlier runs of this name, takes their leases back and joins. Returns how many deliveries it made
  /// pending. Throws pg::Failure.
  std::size_t join();
  void start(Events events);  ///< the heartbeat
  /// Gives the place up: what is still leased becomes pending at the others' next heartbeat. Idempotent.
  void stop();

  /// All that is leased under this node's number becomes pending, unsuspected. Blocks.
  void give_back() noexcept;

  /// Whoever sees a new number finds that the loss of the old one's leases has been told; whoever knows of
  /// the loss sees the new number.
  int id() const;
  /// Whether this node may start what it has leased: its last heartbeat is not too old, by its own clock.
  bool good() const;
  /// False from the loss of its leases until it has a new number and that has been told: what it leased now
  /// would be nobody's.
  bool joined() const { return good_until_.load(std::memory_order_acquire) != 0; }

 private:
  void run();
  void beat(pg::Connection& connection);
  struct Number {
    int id;
    std::int64_t good_until;
  };
  Number new_number(pg::Connection& connection) const;
  void go_on_as(const Number& number, const std::function<void()>& tell);
  std::size_t bury(pg::Connection& connection, std::string_view which, const pg::Params& params);
  std::size_t release_dead(pg::Connection& connection);
  void leave() noexcept;

  const PostgresOptions options_;
  const std::string name_;
  pg::Link link_;
  Events events_;
  mutable std::mutex number_mutex_;
  int id_ = 0;
  std::atomic<std::int64_t> good_until_{0};  ///< microseconds since the machine started
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace postern::relay
