#pragma once
#include <cstdint>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "relay/limits/gcra.hpp"

namespace postern::relay {

/// Keeps a flood of forged requests from becoming a flood of audit entries: per source a burst of 10, then
/// one every 5 s. What is left out is counted, and the next entry that is let through carries the count. Safe
/// from any thread. Only refused requests come here, so its lock is never on an honest one's way.
class RefusalLimiter {
 public:
  static constexpr int kBurst = 10;
  static constexpr Duration kInterval = std::chrono::seconds(5);
  static constexpr std::size_t kSourcesMax = 4096;  ///< then those that are at rest are forgotten

  /// nullopt: leave this one out. Else how many were left out before it.
  std::optional<std::uint64_t> admit(SourceId source, SteadyTime now);

 private:
  struct Bucket {
    Gcra gcra;
    std::uint64_t left_out = 0;
  };
  void forget_idle(SteadyTime now);

  std::mutex mutex_;
  std::unordered_map<SourceId, Bucket> buckets_;
};

}  // namespace postern::relay
