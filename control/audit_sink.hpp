#pragma once
#include <atomic>
#include <cstddef>

#include "base/id.hpp"
#include "relay/model.hpp"
#include "relay/store/database.hpp"
#include "relay/tunnel/hub.hpp"

namespace postern::control {

/// Writes audit entries that nobody waits for. Bounded: above, or when the store is busy, an entry is left
/// out and logged instead. Safe from any thread; never blocks. Outlives the store's threads.
class AuditSink {
 public:
  AuditSink(relay::Database& database, IdGenerator& ids, const Clock& clock)
      : database_(database), ids_(ids), clock_(clock) {}

  void add(relay::AuditEntry entry);
  void add(const relay::TunnelAudit& event);

 private:
  relay::Database& database_;
  IdGenerator& ids_;
  const Clock& clock_;
  std::atomic<std::size_t> under_way_{0};
};

}  // namespace postern::control
