#include "relay/limits/failure_limiter.hpp"

#include "relay/limits/source_prefix.hpp"

namespace postern::relay {

using boost::asio::ip::address;

bool FailureLimiter::may_try(const address& source) {
  return look(source_prefix(source)).allowed;
}

void FailureLimiter::failed(const address& source) {
  failed(source_prefix(source));
}

Gcra::Verdict FailureLimiter::look(std::string_view key) {
  if (pace_.unlimited() || table_.size() == 0) return {};
  const SteadyTime now = clock_.steady();
  return table_.look(key, [&](LimiterTable::Entry& entry) { return entry.gcra.look(pace_, now); });
}

void FailureLimiter::failed(std::string_view key) {
  if (pace_.unlimited()) return;
  const SteadyTime now = clock_.steady();
  table_.use(key, now, [&](LimiterTable::Entry& entry) { return entry.gcra.take(pace_, now); });
}

}  // namespace postern::relay
