#pragma once
#include "base/clock.hpp"

namespace postern::relay {

/// How many handshakes may begin a second in the first moments of a relay's life, when all agents come back
/// at once and the loops are wanted for more than their TLS: few at first, ever more, and at the end of the
/// ramp any number; from then on HandshakeGate alone bounds them, so that nobody can keep agents out by using
/// up a pace. Who has to wait does so in the kernel's queue. Pure. One thread.
class HandshakePace {
 public:
  struct Rules {
    double first = 50;                         ///< a second, at the start; also how many may begin at once
    double last = 500;                         ///< a second, at the end of the ramp
    Duration ramp = std::chrono::seconds(15);  ///< 0: no pace at all
  };
  HandshakePace(Rules rules, SteadyTime start) : rules_(rules), start_(start), counted_(start) {}

  /// How long until one may begin; 0: now.
  Duration wait(SteadyTime now);
  /// One has begun. Also when none should have: the next waits the longer.
  void begin() { free_ -= 1; }

 private:
  double rate(SteadyTime at) const;
  bool over(SteadyTime now) const { return now - start_ >= rules_.ramp; }

  const Rules rules_;
  const SteadyTime start_;
  SteadyTime counted_;          // until here what has come free is in free_
  double free_ = rules_.first;  // below 0: begun ahead of time
};

}  // namespace postern::relay
