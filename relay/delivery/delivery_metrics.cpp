#include "relay/delivery/delivery_metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace postern::relay {
namespace {

// Seconds: from a private app on the same host to the longest time-out.
const prometheus::Histogram::BucketBoundaries kAttemptBuckets = {
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};
// From a hand-over in memory to the last retry.
const prometheus::Histogram::BucketBoundaries kLatencyBuckets = {
    0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, 3600, 86'400};

double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}

template <class E>
std::size_t index(E value) {
  return static_cast<std::size_t>(value);
}

prometheus::Gauge& gauge(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add({});
}

}  // namespace

DeliveryMetrics::DeliveryMetrics(prometheus::Registry& registry) {
  auto& attempts = prometheus::BuildCounter()
                       .Name("postern_delivery_attempts_total")
                       .Help("Attempts made, by kind of destination and outcome.")
                       .Register(registry);
  auto& took = prometheus::BuildHistogram()
                   .Name("postern_delivery_attempt_seconds")
                   .Help("Time one attempt took.")
                   .Register(registry);
  for (const auto kind :
       {DestinationKind::http, DestinationKind::agent, DestinationKind::slack, DestinationKind::nats}) {
    const std::string name(to_text(kind));
    attempt_seconds_[index(kind)] = &took.Add({{"kind", name}}, kAttemptBuckets);
    for (const auto outcome :
         {Outcome::delivered, Outcome::rejected, Outcome::not_sent, Outcome::maybe_sent}) {
      attempts_[index(kind)][index(outcome)] =
          &attempts.Add({{"kind", name}, {"outcome", std::string(to_text(outcome))}});
    }
  }
  auto& ended = prometheus::BuildCounter()
                    .Name("postern_delivery_transitions_total")
                    .Help("Leases given up, by the state the delivery went to.")
                    .Register(registry);
  for (const auto state : {DeliveryState::pending, DeliveryState::parked, DeliveryState::delivered,
                           DeliveryState::dead, DeliveryState::cancelled}) {
    ended_[index(state)] = &ended.Add({{"state", std::string(to_text(state))}});
  }
  latency_ = &prometheus::BuildHistogram()
                  .Name("postern_delivery_latency_seconds")
                  .Help("From the receipt of an event to its delivery.")
                  .Register(registry)
                  .Add({}, kLatencyBuckets);
  lease_lost_ = &prometheus::BuildCounter()
                     .Name("postern_delivery_lease_lost_total")
                     .Help("Outcomes that came too late to be recorded.")
                     .Register(registry)
                     .Add({});
  in_flight_ = &gauge(registry, "postern_delivery_in_flight", "Attempts being made.");
  leased_ = &gauge(registry, "postern_delivery_leased", "Deliveries this node holds the lease of.");
  draining_ = &gauge(registry, "postern_delivery_queues_draining",
                     "Destinations with older deliveries in the store.");
  broken_ = &gauge(registry, "postern_delivery_breakers_not_closed",
                   "Destinations whose breaker is open or half-open.");
  postponed_ = &prometheus::BuildCounter()
                    .Name("postern_delivery_retries_postponed_total")
                    .Help("Retries put off because their destination's retry budget was used up.")
                    .Register(registry)
                    .Add({});
  auto& breaker = prometheus::BuildCounter()
                      .Name("postern_delivery_breaker_transitions_total")
                      .Help("Changes of the destinations' breakers, by the state they went to.")
                      .Register(registry);
  for (const auto state : {BreakerState::closed, BreakerState::open, BreakerState::half_open}) {
    breaker_[index(state)] = &breaker.Add({{"state", std::string(to_text(state))}});
  }
}

void DeliveryMetrics::attempt(DestinationKind kind, Outcome outcome, Duration took) {
  attempts_[index(kind)][index(outcome)]->Increment();
  attempt_seconds_[index(kind)]->Observe(seconds(took));
}

void DeliveryMetrics::ended(DeliveryState state) {
  if (auto* counter = ended_[index(state)]) counter->Increment();
}

void DeliveryMetrics::delivered_after(Duration since_receipt) {
  latency_->Observe(seconds(since_receipt));
}

void DeliveryMetrics::lease_lost(std::size_t count) {
  lease_lost_->Increment(static_cast<double>(count));
}

void DeliveryMetrics::breaker(BreakerState entered) {
  breaker_[index(entered)]->Increment();
}

void DeliveryMetrics::postponed() {
  postponed_->Increment();
}

void DeliveryMetrics::depths(std::size_t in_flight, std::size_t leased, std::size_t draining,
                             std::size_t broken) {
  broken_->Set(static_cast<double>(broken));
  in_flight_->Set(static_cast<double>(in_flight));
  leased_->Set(static_cast<double>(leased));
  draining_->Set(static_cast<double>(draining));
}

}  // namespace postern::relay
