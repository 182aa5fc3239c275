#pragma once
#include <string_view>

#include "relay/limits/gcra.hpp"

namespace postern::relay {

/// Limits by key. Asked on the hot path: it answers at once, from memory, and waits for nobody. Safe from any
/// thread. A limit of 0 lets everything through and keeps no state.
class Limiter {
 public:
  virtual ~Limiter() = default;
  virtual Gcra::Verdict take(std::string_view key, const RateLimit& limit, SteadyTime now) = 0;
  /// Undoes a take() of the same key and limit that said yes, for a request that another limit refused.
  virtual void give_back(std::string_view key, const RateLimit& limit, SteadyTime now) = 0;
};

}  // namespace postern::relay
