#pragma once
#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "tunnel-proto/connection.hpp"

/// When to try again, and how worried to be. No I/O.
namespace postern::agent {

inline constexpr Duration kBackoffBase = std::chrono::milliseconds(500);
inline constexpr Duration kBackoffCap =
    std::chrono::seconds(5);  ///< a network that has healed is used again within this
inline constexpr Duration kShortLivedCap =
    std::chrono::seconds(4);  ///< the same where sessions do come about
inline constexpr Duration kStableAfter =
    std::chrono::seconds(30);  ///< a session this old starts the counting anew
inline constexpr Duration kSlowPoll = std::chrono::minutes(5);  ///< where trying soon cannot help

/// How a try to hold a session ended.
struct SessionEnd {
  tunnel::CloseReason reason;
  std::optional<tunnel::GoAway> goaway;  ///< the relay's last word, if it had one
  Duration lived{};                      ///< authenticated for this long
};

enum class Outlook {
  normal,    ///< networks and restarts: it will come back
  revoked,   ///< the relay refuses the credential
  replaced,  ///< somebody else holds the same credential; coming back at once would be an endless fight
};

struct NextTry {
  Outlook outlook = Outlook::normal;
  Duration wait{};
};

/// Full jitter, 0.5 s doubling to 5 s (the relay paces who returns: a herd is its to bound); after a stable
/// session, or at the first failure, at most 0.5 s, so that a relay that restarts finds its agents back
/// within a moment. A session, however short, shows that the relay is there: on a line that keeps breaking
/// the waits grow to 4 s and no further. What the relay asks for (GOAWAY, retry_after) comes first.
class ReconnectPolicy {
 public:
  explicit ReconnectPolicy(Random& random) : random_(random) {}
  NextTry after(const SessionEnd& end);
  unsigned failures() const { return unreached_.failures() + short_lived_.failures(); }

 private:
  Random& random_;
  Backoff unreached_{kBackoffBase, kBackoffCap};
  Backoff short_lived_{kBackoffBase, kShortLivedCap};
};

}  // namespace postern::agent
