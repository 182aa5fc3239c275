#pragma once
#include <array>
#include <cstddef>

#include "base/clock.hpp"
#include "relay/delivery/breaker.hpp"
#include "relay/model.hpp"

namespace prometheus {
class Registry;
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace postern::relay {

/// What the dispatcher counts. Every series exists from the start, so that a rate of zero is a zero and not a
/// gap.
class DeliveryMetrics {
 public:
  explicit DeliveryMetrics(prometheus::Registry& registry);  ///< must outlive this

  void attempt(DestinationKind kind, Outcome outcome, Duration took);
  void ended(DeliveryState state);  ///< what an attempt or a withdrawal led to
  void delivered_after(Duration since_receipt);
  void lease_lost(std::size_t count);
  void breaker(BreakerState entered);
  void postponed();  ///< a retry beyond its destination's budget
  void depths(std::size_t in_flight, std::size_t leased, std::size_t draining, std::size_t broken);

 private:
  std::array<std::array<prometheus::Counter*, 4>, 4> attempts_{};
  std::array<prometheus::Histogram*, 4> attempt_seconds_{};
  std::array<prometheus::Counter*, 6> ended_{};
  prometheus::Histogram* latency_ = nullptr;
  prometheus::Counter* lease_lost_ = nullptr;
  prometheus::Gauge* in_flight_ = nullptr;
  prometheus::Gauge* leased_ = nullptr;
  prometheus::Gauge* draining_ = nullptr;
  prometheus::Gauge* broken_ = nullptr;
  prometheus::Counter* postponed_ = nullptr;
  std::array<prometheus::Counter*, 3> breaker_{};
};

}  // namespace postern::relay
