#include "tunnel-proto/close_reason.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace postern::tunnel {
namespace {

// Ends that another try with the same credential cannot change.
constexpr std::array<std::string_view, 3> kForGood = {"auth_failed", "revoked", "version"};

bool just_gone(std::string_view code) {
  return code == "connection_lost" || code == "closed_by_peer";
}

}  // namespace

CloseReason make_close_reason(const Error& error, bool authenticated, const std::optional<GoAway>& goaway,
                              const std::optional<Refusal>& refusal, Random& random) {
  CloseReason reason{error.code, error.message, authenticated, true, Duration(0)};
  if (goaway) {
    if (just_gone(error.code)) {
      reason.code = goaway->code;
      reason.message = goaway->message;
    }
    const double part = random.unit() * static_cast<double>(goaway->spread.count());
    reason.retry_after = goaway->reconnect_after + Duration(static_cast<std::int64_t>(part));
  }
  reason.retryable = std::ranges::find(kForGood, reason.code) == kForGood.end();
  if (refusal) {
    reason.retryable = refusal->retryable;
    reason.retry_after = refusal->retry_after;
  }
  return reason;
}

}  // namespace postern::tunnel
