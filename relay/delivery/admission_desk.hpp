#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "relay/delivery/queue_mode.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// Bounds on what this node leases. A destination may hold no more than what is still free: one that doesn't
/// take its deliveries gets at most half, two a third each, and there is always room for the next one. A
/// workspace may hold three times what is still free, and one more for each of its destinations while an
/// eighth of all is, so that there is always some left for the others.
struct LeaseLimits {
  std::size_t deliveries = 32'768;
  std::size_t bytes = 128 * 1024 * 1024;
  std::size_t deliveries_each = 8'192;  ///< of one destination
};

/// One lease that has ended.
struct LeaseEnd {
  DestinationId destination_id;
  std::size_t bytes = 0;
};

/// Answers the store's writer thread: may this delivery be handed over in memory? Also the account of all
/// leases. Safe from any thread; every call is short and none waits for I/O.
class AdmissionDesk {
 public:
  explicit AdmissionDesk(LeaseLimits limits) : limits_(limits) {}

  /// For the writer thread. Reserves room when it answers `leased`. A destination it doesn't know is
  /// `pending`: the dispatcher finds out what it is when it claims it. A destination without room is
  /// `pending` too, and drains from then on, so that no newer one overtakes. One with an order key is never
  /// `leased`.
  Admission admit(DestinationId destination, std::size_t bytes, OrderKey order = kNoOrder);

  void add(DestinationId destination, QueueMode mode, std::shared_ptr<QueueGauges> gauges,
           WorkspaceId workspace = {});
  void remove(DestinationId destination);
  void set_mode(DestinationId destination, QueueMode mode);
  /// Its retry schedule does not begin with 0: its deliveries are committed pending, due after that long.
  /// They are never handed over: the timer of what becomes due brings them, in whatever mode it is then.
  void set_first_wait(DestinationId destination, Duration wait);
  /// Leases were lost: what is admitted from now on is of another term.
  void begin_term();
  /// From now on everything is committed pending.
  void close();

  /// How many deliveries of it were committed without a lease so far.
  std::uint64_t spilled(DestinationId destination) const;
  /// Opens hand-over. True when none was spilled since `spilled()` said `mark`: then a claim that was asked
  /// for after that mark and came back short has seen every older one.
  bool open(DestinationId destination, std::uint64_t mark);

  /// Takes room for up to `want` claimed deliveries and returns for how many; at least `least`, even over the
  /// limits.
  std::size_t reserve(DestinationId destination, std::size_t want, std::size_t bytes_each, std::size_t least);
  void unreserve(DestinationId destination, std::size_t count);
  /// The same for a claim over all destinations; attribute() then says whose they are.
  std::size_t reserve_any(std::size_t want, std::size_t bytes_each);
  void unreserve_any(std::size_t count);
  void attribute(DestinationId destination, std::size_t bytes);
  void charge(DestinationId destination, std::size_t bytes);  ///< of a reserved one, now that it is known

  void release(std::span<const LeaseEnd> ended);

  struct Spills {
    bool any = false;
    bool unknown = false;                        ///< of a destination it doesn't know
    bool delayed = false;                        ///< due only after a first wait
    std::vector<DestinationId> overflowed;       ///< went from direct to draining
    std::unordered_set<DestinationId> in_order;  ///< running, and has new ones with an order key
  };
  /// What was committed without a lease since the last call.
  Spills take_spills();

  struct View {
    QueueMode mode = QueueMode::draining;
    std::size_t leased = 0;  ///< waiting, in flight or being recorded
    std::shared_ptr<const QueueGauges> gauges;
  };
  std::optional<View> view(DestinationId destination) const;
  std::size_t leased() const;

 private:
  struct Account {
    std::size_t count = 0;
    std::size_t bytes = 0;
  };
  struct Entry {
    QueueMode mode = QueueMode::draining;
    WorkspaceId workspace;
    std::size_t count = 0;
    std::size_t bytes = 0;
    std::uint64_t spilled = 0;
    Duration first_wait{};
    std::shared_ptr<QueueGauges> gauges;
  };
  bool has_room(const Entry& entry, std::size_t bytes) const;
  Admission spill(Entry& entry);
  Admission spill_in_order(DestinationId destination, const Entry& entry);
  std::size_t room(const Entry* entry, std::size_t bytes_each) const;
  bool may_have_one(const Entry& entry) const;
  bool workspace_has_room(const Entry& entry) const;
  void book(Entry& entry, std::size_t count, std::size_t bytes);
  void unbook(Entry& entry, std::size_t count, std::size_t bytes);

  const LeaseLimits limits_;
  mutable std::mutex mutex_;
  std::unordered_map<DestinationId, Entry> entries_;
  std::unordered_map<WorkspaceId, Account> workspaces_;  ///< those that hold anything
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
  std::uint64_t term_ = 0;
  bool closed_ = false;
  Spills spills_;
};

}  // namespace postern::relay
