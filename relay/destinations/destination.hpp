#pragma once
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "relay/model.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// The parts of a destination that can be down each on its own, such as the subjects of one of kind nats. A
/// driver asks as soon as it knows which one its attempt goes to. Safe from any thread.
class PartGate {
 public:
  struct Pass {
    std::uint64_t round = 0;            ///< goes into AttemptResult::part_round
    std::optional<Duration> wait = {};  ///< it must not begin; it may ask again after that long
  };
  virtual ~PartGate() = default;
  virtual Pass begin(const std::string& part) = 0;
};

/// One attempt to make. Owns what it needs: safe to move to another loop.
struct AttemptJob {
  LeasedDelivery leased;
  std::shared_ptr<const Destination> destination;  ///< as configured when the attempt starts
  std::shared_ptr<const Source> source;            ///< null when the source has been deleted
  std::shared_ptr<PartGate> parts = {};            ///< null: this destination has none
};

/// What came of it, honestly.
struct AttemptResult {
  Attempt attempt;
  std::optional<Duration> retry_after;  ///< asked for by the destination; the retry policy caps it
  bool final = false;           ///< no retry can help ("no_service" of Slack, a status listed as final)
  bool gone = false;            ///< 410: the destination is to be disabled
  bool withheld = false;        ///< it is not to be sent at all: cancelled, with error_code as the reason
  bool wait_for_agent = false;  ///< the agent is away: park, wake on its return
  bool wait_for_app = false;    ///< its agent says that the app is away: park, wake when it says otherwise
  bool app_full = false;        ///< its agent says that the app has as many as it takes: not_sent
  bool held = false;            ///< its part is down: it goes back without an attempt, for retry_after
  std::string part = {};        ///< that was asked for, and let through
  std::uint64_t part_round = 0;
  /// Called once this outcome is committed; not when the lease was lost meanwhile, and perhaps never. On the
  /// dispatcher's loop: return at once.
  std::function<void()> committed = {};
};

/// Makes attempts of one kind of destination. Called on the loop the attempt is to run on; never throws for
/// what the destination or the network does; keeps within destination->timeout.
class DestinationDriver {
 public:
  virtual ~DestinationDriver() = default;
  virtual boost::asio::awaitable<AttemptResult> attempt(AttemptJob job) = 0;
};

}  // namespace postern::relay
