#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "relay/delivery/retry_budget.hpp"
#include "relay/destinations/destination.hpp"

namespace postern::relay {

class DestinationQueue;
struct AppPlaces;

/// One loop attempts run on, with its own drivers: a driver is only ever called on its loop.
struct LoopDrivers {
  boost::asio::any_io_executor executor;
  std::map<DestinationKind, DestinationDriver*> drivers;  ///< must outlive the attempts
};

/// What the dispatcher must know again when the attempt is over; the job itself goes to the driver.
struct Ticket {
  DeliveryId delivery_id;
  EventId event_id;
  std::uint64_t lease_token = 0;
  unsigned attempt_count = 0;
  unsigned tries = 0;
  std::size_t bytes = 0;
  bool suspect = false;
  OrderKey order_key = kNoOrder;
  BudgetShare share = BudgetShare::none;
  std::shared_ptr<AppPlaces> app = {};  ///< where it holds a place; null: nowhere
  DestinationQueue* queue = nullptr;    ///< stays while it has anything in flight
  std::uint64_t epoch = 0;              ///< of the queue, when the attempt began
  std::uint64_t round = 0;              ///< of its breaker
  std::shared_ptr<const Destination> destination;
  Time received_at;
  Time started_at;
};
struct Launch {
  AttemptJob job;
  Ticket ticket;
};
struct Finished {
  Ticket ticket;
  AttemptResult result;
};

/// Runs attempts on one loop and reports what has finished in groups: one report a turn of the loop.
/// Every launch is reported exactly once, also when its driver throws (`internal_error`, not counted).
class AttemptLoop : public std::enable_shared_from_this<AttemptLoop> {
 public:
  using Report = std::function<void(std::vector<Finished>)>;
  /// `report` is called on this loop.
  AttemptLoop(LoopDrivers drivers, Report report)
      : drivers_(std::move(drivers)), report_(std::move(report)) {}

  void start(std::vector<Launch> launches);  ///< from any thread

 private:
  static boost::asio::awaitable<void> run(std::shared_ptr<AttemptLoop> self, Launch launch);
  DestinationDriver& driver(DestinationKind kind) const;
  void finish(Ticket ticket, AttemptResult result);
  void flush();

  const LoopDrivers drivers_;
  const Report report_;
  std::vector<Finished> finished_;
};

}  // namespace postern::relay
