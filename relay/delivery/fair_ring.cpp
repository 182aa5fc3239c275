#include "relay/delivery/fair_ring.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kTurnBytes = 16 * 1024;
constexpr std::size_t kTurnsMost = 64;  // a megabyte; more would hold up its own workspace for too long
constexpr unsigned kWorkspaceShare = 3;
// Looked at again in one turn of the dispatcher: with thousands set aside, all would be too many.
constexpr std::size_t kRetriesAtOnce = 64;

}  // namespace

int FairRing::turns_for(std::size_t bytes) {
  return static_cast<int>(std::min(1 + bytes / kTurnBytes, kTurnsMost));
}

void FairRing::add(DestinationQueue& queue) {
  if (queue.in_ring) return;
  if (!queue.runnable()) return queue.await_place();
  queue.in_ring = true;
  Tenant& tenant = tenant_of(queue);
  tenant.ring.add(queue);
  list(tenant);
}

DestinationQueue* FairRing::next() {
  while (in_flight_ < most_) {
    Tenant* tenant = ring_.next();
    if (tenant == nullptr) return nullptr;
    DestinationQueue* queue = may_start(*tenant) > 0 ? next_of(*tenant) : nullptr;
    if (queue != nullptr) return queue;
    set_aside(*tenant);
  }
  return nullptr;
}

DestinationQueue* FairRing::next_of(Tenant& tenant) {
  while (DestinationQueue* queue = tenant.ring.next()) {
    if (!queue->runnable()) {
      queue->in_ring = false;
      queue->uncall();
      queue->await_place();
    } else if (queue->in_flight() > 0 && queue->in_flight() >= may_start(tenant)) {
      queue->uncall();
      full_queues_.push_back(queue);
    } else {
      return queue;
    }
    tenant.ring.drop();
  }
  return nullptr;
}

// The front, of which none can start now.
void FairRing::set_aside(Tenant& tenant) {
  ring_.drop();
  if (!tenant.ring.empty()) return full_tenants_.push_back(&tenant);
  tenant.listed = false;
  forget_if_idle(tenant);
}

// Each start takes a free place and adds one to what it holds, so its room shrinks by one more than its
// share.
unsigned FairRing::may_start(const Tenant& tenant) const {
  const unsigned free = most_ - in_flight_;
  if (tenant.in_flight == 0) return free;
  const unsigned most = kWorkspaceShare * free;
  return most > tenant.in_flight ? (most - tenant.in_flight + kWorkspaceShare) / (kWorkspaceShare + 1) : 0;
}

void FairRing::taken(DestinationQueue& queue, std::size_t bytes) {
  Tenant& tenant = tenant_of(queue);
  ++in_flight_;
  ++tenant.in_flight;
  const int turns = turns_for(bytes);
  tenant.ring.charge(turns);
  ring_.charge(turns);
}

void FairRing::freed(DestinationQueue& queue) {
  Tenant& tenant = tenant_of(queue);
  --in_flight_;
  --tenant.in_flight;
  add(queue);
  forget_if_idle(tenant);
}

void FairRing::retry_over_share() {
  for (std::size_t n = std::min(full_queues_.size(), kRetriesAtOnce); n > 0; --n) {
    DestinationQueue& queue = *full_queues_.front();
    full_queues_.pop_front();
    Tenant& tenant = tenant_of(queue);
    tenant.ring.add(queue);
    list(tenant);
  }
  for (std::size_t n = std::min(full_tenants_.size(), kRetriesAtOnce); n > 0; --n) {
    ring_.add(*full_tenants_.front());
    full_tenants_.pop_front();
  }
}

void FairRing::remove(DestinationQueue& queue) {
  if (!queue.in_ring) return;
  queue.in_ring = false;
  Tenant& tenant = tenant_of(queue);
  tenant.ring.remove(queue);
  std::erase(full_queues_, &queue);
  if (!tenant.ring.empty()) return;
  ring_.remove(tenant);
  std::erase(full_tenants_, &tenant);
  tenant.listed = false;
  forget_if_idle(tenant);
}

FairRing::Tenant& FairRing::tenant_of(const DestinationQueue& queue) {
  auto& slot = tenants_[queue.destination()->workspace_id];
  if (!slot) {
    slot = std::make_unique<Tenant>();
    slot->id = queue.destination()->workspace_id;
  }
  return *slot;
}

void FairRing::list(Tenant& tenant) {
  if (tenant.listed) return;
  tenant.listed = true;
  ring_.add(tenant);
}

// What it owes is forgotten with it: one that has nothing under way takes nothing from anybody.
void FairRing::forget_if_idle(Tenant& tenant) {
  if (tenant.listed || tenant.in_flight > 0) return;
  tenants_.erase(WorkspaceId(tenant.id));
}

}  // namespace postern::relay
