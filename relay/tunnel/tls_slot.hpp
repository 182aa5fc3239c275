#pragma once
#include <mutex>
#include <string>
#include <vector>

#include "tunnel-proto/tls_identity.hpp"

namespace postern::relay {

/// How the relay shows itself to agents.
struct TunnelTls {
  tunnel::TlsContext context;
  /// The keys agents are to trust from their next login on, SPKI SHA-256: this one's, and the next one's when
  /// there is one. Empty: whatever they trust already.
  std::vector<std::string> pins = {};
};

/// Which one new connections get; those that stand keep theirs. Safe from any thread.
class TlsSlot {
 public:
  explicit TlsSlot(TunnelTls tls) : tls_(std::move(tls)) {}
  TunnelTls current() const {
    const std::lock_guard lock(mutex_);
    return tls_;
  }
  void replace(TunnelTls tls) {
    const std::lock_guard lock(mutex_);
    tls_ = std::move(tls);
  }

 private:
  mutable std::mutex mutex_;
  TunnelTls tls_;
};

}  // namespace postern::relay
