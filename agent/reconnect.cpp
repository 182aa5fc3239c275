#include "agent/reconnect.hpp"

namespace postern::agent {
namespace {

Outlook outlook_of(const SessionEnd& end) {
  const auto says = [&](std::string_view code) {
    return end.reason.code == code || (end.goaway && end.goaway->code == code);
  };
  if (says("replaced") || says("copied")) return Outlook::replaced;
  if (says("revoked") || !end.reason.retryable) return Outlook::revoked;
  return Outlook::normal;
}

Duration part_of(Duration spread, Random& random) {
  return Duration(static_cast<std::int64_t>(static_cast<double>(spread.count()) * random.unit()));
}

/// A relay's wish is heard, but a broken one cannot keep an agent away for a day.
Duration wished(Duration wish) {
  return std::clamp<Duration>(wish, Duration(0), kSlowPoll);
}

}  // namespace

NextTry ReconnectPolicy::after(const SessionEnd& end) {
  if (end.reason.authenticated) unreached_.reset();
  if (end.lived >= kStableAfter) short_lived_.reset();
  const Outlook outlook = outlook_of(end);
  if (outlook != Outlook::normal) {
    return {outlook, std::max(jittered(kSlowPoll, 0.1, random_), wished(end.reason.retry_after))};
  }
  if (end.goaway && end.goaway->reconnect_after + end.goaway->spread > Duration(0)) {
    return {outlook, wished(end.goaway->reconnect_after) + part_of(wished(end.goaway->spread), random_)};
  }
  Backoff& backoff = end.reason.authenticated ? short_lived_ : unreached_;
  return {outlook, std::max(backoff.next(random_), wished(end.reason.retry_after))};
}

}  // namespace postern::agent
