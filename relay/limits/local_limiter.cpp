#include "relay/limits/local_limiter.hpp"

namespace postern::relay {

Gcra::Verdict LocalLimiter::take(std::string_view key, const RateLimit& limit, SteadyTime now) {
  if (limit.unlimited()) return {};
  const Pace pace = limit.pace();
  return table_.use(key, now, [&](LimiterTable::Entry& entry) {
    entry.adopt(pace, now);
    return entry.gcra.take(pace, now);
  });
}

void LocalLimiter::give_back(std::string_view key, const RateLimit& limit, SteadyTime) {
  if (limit.unlimited()) return;
  table_.look(key, [&](LimiterTable::Entry& entry) {
    entry.gcra.give_back(limit.pace());
    return true;
  });
}

}  // namespace postern::relay
