#include "relay/delivery/attempt_health.hpp"

#include <algorithm>
#include <array>

namespace postern::relay {
namespace {

constexpr std::array<std::string_view, 5> kUnreachable = {"connect_failed", "connect_timeout", "dns_failed",
                                                          "tls_failed", "address_refused"};
// After the request went out: the agent's link broke, not the app.
constexpr std::string_view kLinkLost = "connection_lost";

Health of_answer(int status) {
  const bool overloaded = status >= 500 || status == 408 || status == 429;
  return overloaded ? Health::bad : Health::good;
}

}  // namespace

Health health_of(const AttemptResult& result) {
  const Attempt& attempt = result.attempt;
  switch (attempt.outcome) {
    case Outcome::delivered:
      return Health::good;
    case Outcome::rejected:
      return of_answer(attempt.response_status);
    case Outcome::maybe_sent:
      return attempt.error_code == kLinkLost ? Health::silent : Health::bad;
    case Outcome::not_sent:
      break;
  }
  const bool unreachable =
      attempt.counted && !result.final &&
      std::find(kUnreachable.begin(), kUnreachable.end(), attempt.error_code) != kUnreachable.end();
  return unreachable ? Health::bad : Health::silent;
}

Health whole_health_of(const AttemptResult& result) {
  const bool of_a_part = !result.part.empty() && result.attempt.outcome == Outcome::rejected;
  return of_a_part ? Health::silent : health_of(result);
}

}  // namespace postern::relay
