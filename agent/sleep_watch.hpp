#pragma once
#include "base/clock.hpp"

namespace postern::agent {

/// How long this machine has been suspended since it booted: what CLOCK_BOOTTIME counts and CLOCK_MONOTONIC,
/// by which all timers go, does not.
Duration suspended_since_boot();

/// Notices that the machine has slept. Its connections look as they did, and the relay may long have given
/// them up.
class SleepWatch {
 public:
  static constexpr Duration kLookEvery = std::chrono::seconds(1);
  static constexpr Duration kAtLeast = std::chrono::seconds(3);

  explicit SleepWatch(Duration suspended) : before_(suspended) {}
  /// Once for each sleep of at least kAtLeast.
  bool has_slept(Duration suspended) {
    const Duration slept = suspended - before_;
    before_ = suspended;
    return slept >= kAtLeast;
  }

 private:
  Duration before_;
};

}  // namespace postern::agent
