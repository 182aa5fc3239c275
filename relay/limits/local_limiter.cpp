#include "relay/limits/local_limiter.hpp"

namespace postern::relay {

Gcra::Verdict LocalLimiter::take(std::string_view key, const RateLimit& limit, SteadyTime now) {
  return take(key, limit, now, 1);
}

Gcra::Verdict LocalLimiter::take(std::string_view key, const RateLimit& limit, SteadyTime now,
                                 std::uint32_t times) {
  if (limit.unlimited()) return {};
  const Pace pace = limit.pace();
  return table_.use(key, now, [&](LimiterTable::Entry& entry) {
    entry.adopt(pace, now);
    return entry.gcra.take(pace, now, times);
  });
}

Gcra::Verdict LocalLimiter::look(std::string_view key, const RateLimit& limit, SteadyTime now) {
  return table_.look(key, [&](const LimiterTable::Entry& entry) { return entry.gcra.look(limit, now); });
}

void LocalLimiter::give_back(std::string_view key, const RateLimit& limit, SteadyTime) {
  if (limit.unlimited()) return;
  table_.look(key, [&](LimiterTable::Entry& entry) {
    entry.gcra.give_back(limit.pace());
    return true;
  });
}

}  // namespace postern::relay
