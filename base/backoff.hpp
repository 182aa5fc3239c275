#pragma once
#include "base/clock.hpp"
#include "base/random.hpp"

namespace postern {

/// Full jitter (uniform in [0, base·2ⁿ), capped): spreads a herd of clients best, at the cost of some early
/// tries.
class Backoff {
 public:
  Backoff(Duration base, Duration cap) : base_(base), cap_(cap) {}
  Duration next(Random& random);
  void reset() { failures_ = 0; }
  unsigned failures() const { return failures_; }

 private:
  Duration base_;
  Duration cap_;
  unsigned failures_ = 0;
};

/// `d` times a factor uniform in [1 - spread, 1 + spread).
Duration jittered(Duration d, double spread, Random& random);

}  // namespace postern
