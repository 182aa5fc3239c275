#pragma once
#include <array>

#include "relay/bus/nats_message.hpp"

namespace prometheus {
class Registry;
class Counter;
class Gauge;
}  // namespace prometheus

namespace postern::relay {

/// What a NatsClient counts. Safe from any thread.
class NatsMetrics {
 public:
  explicit NatsMetrics(prometheus::Registry& registry);  ///< must outlive this

  void connected(bool yes);
  void lost();
  void answered(NatsAnswer::Kind kind);
  void outstanding(std::size_t requests, std::size_t bytes);

 private:
  prometheus::Gauge* connected_;
  prometheus::Counter* lost_;
  prometheus::Gauge* requests_;
  prometheus::Gauge* bytes_;
  std::array<prometheus::Counter*, 4> answers_{};
};

}  // namespace postern::relay
