#include "relay/bus/nats_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

namespace postern::relay {
namespace {

// In the order of the enumerators.
constexpr std::array<const char*, 4> kKinds = {"answered", "no_responders", "not_sent", "maybe_sent"};

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

NatsMetrics::NatsMetrics(prometheus::Registry& registry)
    : connected_(&gauge(registry, "postern_nats_connected", "1 while NATS is connected.")),
      lost_(&prometheus::BuildCounter()
                 .Name("postern_nats_connections_lost_total")
                 .Help("Connections to NATS that ended.")
                 .Register(registry)
                 .Add({})),
      requests_(&gauge(registry, "postern_nats_requests", "Messages to NATS without an answer yet.")),
      bytes_(&gauge(registry, "postern_nats_request_bytes",
                    "Memory of messages to NATS without an answer yet.")) {
  auto& answers = prometheus::BuildCounter()
                      .Name("postern_nats_answers_total")
                      .Help("What came of messages to NATS.")
                      .Register(registry);
  for (std::size_t i = 0; i < kKinds.size(); ++i) answers_[i] = &answers.Add({{"kind", kKinds[i]}});
}

void NatsMetrics::connected(bool yes) {
  connected_->Set(yes ? 1 : 0);
}

void NatsMetrics::lost() {
  lost_->Increment();
}

void NatsMetrics::answered(NatsAnswer::Kind kind) {
  answers_[static_cast<std::size_t>(kind)]->Increment();
}

void NatsMetrics::outstanding(std::size_t requests, std::size_t bytes) {
  requests_->Set(static_cast<double>(requests));
  bytes_->Set(static_cast<double>(bytes));
}

}  // namespace postern::relay
