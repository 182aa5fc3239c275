#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "relay/delivery/admission_desk.hpp"
#include "relay/delivery/attempt_loop.hpp"
#include "relay/delivery/breaker.hpp"
#include "relay/delivery/part_breakers.hpp"
#include "relay/limits/breaker_board.hpp"
#include "relay/limits/limiter.hpp"
#include "relay/overload/shedding.hpp"
#include "relay/store/event_log.hpp"

namespace prometheus {
class Registry;
}

namespace postern::relay {

class AgentDirectory;
class CatalogHolder;
class DispatcherCore;

struct DispatcherOptions {
  LeaseLimits leases;
  unsigned in_flight = 4'096;      ///< attempts at once, over all destinations
  std::size_t claim_batch = 512;   ///< deliveries fetched at once; more are fetched when fewer than this wait
  std::size_t claims_at_once = 8;  ///< fetches under way, over all destinations
  /// Answers kept in memory until they are recorded; with more, no attempt starts. Events to be stored wait
  /// behind them, so this is small.
  std::size_t unrecorded_bytes = 8 * 1024 * 1024;
  Duration sweep = std::chrono::seconds(1);  ///< how long anything that slipped through can wait
  Duration backlog_check =
      std::chrono::seconds(60);  ///< the same for parked deliveries of a running destination
};

/// All references must outlive the dispatcher and whatever it has under way.
struct DispatcherParts {
  boost::asio::any_io_executor executor;  ///< the actor's loop: one thread
  std::vector<LoopDrivers> loops;         ///< attempts go round robin over them
  CatalogHolder& catalog;
  AgentDirectory& agents;
  const Clock& clock;
  Random& random;  ///< used on the actor's loop only
  prometheus::Registry& metrics;
  /// Called on the actor's loop after a 410; must return at once. It stores the change and refreshes the
  /// catalog; the dispatcher has already stopped sending.
  std::function<void(DestinationId, std::string reason)> disable;
  DispatcherOptions options;
  Shedding* shedding = nullptr;      ///< null: retries are never held back
  BreakerBoard* breakers = nullptr;  ///< null: no other nodes
  Limiter* rates = nullptr;          ///< of destinations, by "destination:{id}"; null: this node's own
};

/// Makes every delivery reach an end: fetches what is due, starts attempts in order and within bounds,
/// records what came of them. One actor on one loop; the attempts run on all loops.
///
/// Life: construct (it registers its listeners), give it to the store as DeliveryIntake, EventLog::recover(),
/// start(). Until start() everything is admitted as pending. All members are safe from any thread unless said
/// otherwise.
class Dispatcher final : public DeliveryIntake {
 public:
  explicit Dispatcher(DispatcherParts parts);  ///< before serving starts: it registers listeners
  ~Dispatcher() override;  ///< what is under way is forgotten, and recovered at the next start

  void start(EventLog& log);

  // DeliveryIntake, on the store's writer thread.
  Admission admit(const NewDelivery& delivery, const Event& event) override;
  void handed_over(std::vector<LeasedDelivery> deliveries) override;
  void wake() override;
  void wake(std::vector<DestinationId> destinations) override;
  void not_committed(const NewDelivery& delivery, const Event& event) override;
  void leases_lost() override;
  bool forgetting() const override;

  /// Something of this destination (of any) became due outside of the ordinary way: a retry or a replay by
  /// hand.
  void kick(DestinationId destination);
  void kick_all();

  struct Drained {
    std::size_t unfinished = 0;  ///< attempts cut off by the deadline; made again after the next start
  };
  /// Starts nothing more, gives back what has not started, and waits at most `limit` for attempts in flight
  /// and for their outcomes to be durable. Once.
  boost::asio::awaitable<Drained> drain(Duration limit);

  struct Status {
    QueueMode mode = QueueMode::draining;
    std::size_t leased = 0;   ///< held by this node in any stage
    std::size_t waiting = 0;  ///< of these, not started
    unsigned in_flight = 0;
    unsigned window = 0;  ///< attempts at once it is given just now
    BreakerSnapshot breaker;
    Breaker::Counts failures;
    std::vector<PartBreakers::Status> parts;  ///< of its parts, those that are not closed, on this node
  };
  /// nullopt for a destination it doesn't know.
  std::optional<Status> status(DestinationId destination) const;
  /// Its breaker and those of its parts close with a clean slate, soon, on all nodes.
  void reset_breaker(DestinationId destination);

 private:
  std::shared_ptr<DispatcherCore> core_;
};

}  // namespace postern::relay
