#include <cstdlib>

#include "relay/delivery/breaker_blob.hpp"

/// What stands in Redis in the place of a breaker's state: whatever it is, nothing may crash, what is
/// believed is exactly what would be said, and no breaker stays open for longer than its policy allows.
using namespace postern;
using namespace postern::relay;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  auto heard = breaker_from_blob(input);
  if (!heard) return 0;
  if (to_blob(*heard) != input) std::abort();
  const Time now{std::chrono::days(20'000)};
  heard->probe_at = probe_turn(*heard, 1);
  Breaker breaker;
  breaker.restore(*heard, now);
  if (breaker.state() == BreakerState::open && !breaker.elapse(now + BreakerPolicy{}.open_most)) std::abort();
  return 0;
}
