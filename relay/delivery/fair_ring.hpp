#pragma once
#include <deque>
#include <memory>
#include <unordered_map>

#include "relay/delivery/deficit_ring.hpp"
#include "relay/delivery/destination_queue.hpp"

namespace postern::relay {

/// Whose turn it is: round and round over the workspaces, and within each over its destinations that have
/// something to start. Pure.
///
/// A turn is one delivery with a small body; a large one costs as many as its bytes are worth. So a workspace
/// with a thousand busy destinations gets no more than one with a single destination.
///
/// All share `most` attempts in flight, and nobody takes the last of them: a workspace may have three times
/// as many as are still free, and one of its destinations no more than the workspace may still start. So many
/// that never answer leave a place for one that does, in their own workspace and in every other.
class FairRing {
 public:
  explicit FairRing(unsigned most) : most_(most) {}

  /// Call after anything that may have made it runnable. A queue already listed stays where it is; one that
  /// lacks nothing but a place at its app joins the line there. A place that was kept for one that turns out
  /// not to be runnable, or over its share, is free again.
  void add(DestinationQueue& queue);
  /// The next to take() one from, or null.
  DestinationQueue* next();
  /// After take() of one with so many bytes, from what next() gave.
  void taken(DestinationQueue& queue, std::size_t bytes);
  /// After finished().
  void freed(DestinationQueue& queue);
  /// Those set aside for holding their share may try again: some of them, in turn. Once a turn of the
  /// dispatcher, not once a delivery.
  void retry_over_share();
  /// Before the queue is forgotten.
  void remove(DestinationQueue& queue);

  unsigned in_flight() const { return in_flight_; }
  std::size_t workspaces() const { return tenants_.size(); }

  /// What a delivery costs, in turns.
  static int turns_for(std::size_t bytes);

 private:
  struct Tenant {
    WorkspaceId id;
    int credit = 0;
    bool listed = false;  ///< in the ring, or set aside
    unsigned in_flight = 0;
    DeficitRing<DestinationQueue> ring;
  };
  Tenant& tenant_of(const DestinationQueue& queue);
  DestinationQueue* next_of(Tenant& tenant);
  unsigned may_start(const Tenant& tenant) const;
  void list(Tenant& tenant);
  void set_aside(Tenant& tenant);
  void forget_if_idle(Tenant& tenant);

  const unsigned most_;
  unsigned in_flight_ = 0;
  std::unordered_map<WorkspaceId, std::unique_ptr<Tenant>> tenants_;
  DeficitRing<Tenant> ring_;
  // Set aside for holding their share; what they hold keeps them known.
  std::deque<Tenant*> full_tenants_;
  std::deque<DestinationQueue*> full_queues_;
};

}  // namespace postern::relay
