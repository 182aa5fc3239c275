#include "relay/tunnel/handshake_gate.hpp"

#include <algorithm>

#include "relay/limits/source_prefix.hpp"

namespace postern::relay {

void HandshakeGate::Place::release() {
  if (auto* gate = std::exchange(gate_, nullptr)) gate->leave(source_);
}

HandshakeGate::Place HandshakeGate::enter(const boost::asio::ip::address& source) {
  std::string key = source_prefix(source);
  const std::lock_guard lock(mutex_);
  const auto own = sources_.find(key);
  const std::size_t inside = own == sources_.end() ? 0 : own->second;
  const std::size_t free = total_ - std::min(total_, inside_);
  if (inside > 0 && inside >= std::min(per_source_, free)) return {};
  ++sources_[key];
  ++inside_;
  return Place(*this, std::move(key));
}

bool HandshakeGate::full() const {
  const std::lock_guard lock(mutex_);
  return inside_ >= total_;
}

void HandshakeGate::when_free(std::function<void()> wake) {
  {
    const std::lock_guard lock(mutex_);
    if (inside_ >= total_) {
      wake_ = std::move(wake);
      return;
    }
  }
  wake();
}

void HandshakeGate::leave(const std::string& source) {
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    --inside_;
    const auto at = sources_.find(source);
    if (--at->second == 0) sources_.erase(at);
    wake.swap(wake_);
  }
  if (wake) wake();
}

}  // namespace postern::relay
