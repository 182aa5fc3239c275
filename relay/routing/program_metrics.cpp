#include "relay/routing/program_metrics.hpp"

namespace postern::relay {
namespace {

constexpr std::array<const char*, 3> kKinds = {"passed", "skipped", "transformed"};

prometheus::Histogram& make_seconds(prometheus::Registry& registry) {
  auto& family = prometheus::BuildHistogram()
                     .Name("postern_route_programs_seconds")
                     .Help("Evaluating one event for all its routes, without the wait for a worker")
                     .Register(registry);
  return family.Add({}, prometheus::Histogram::BucketBoundaries{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01,
                                                                0.05, 0.1, 0.5, 1});
}

}  // namespace

ProgramMetrics::ProgramMetrics(prometheus::Registry& registry)
    : busy(prometheus::BuildCounter()
               .Name("postern_route_programs_busy_total")
               .Help("Events that found no worker for their routes' programs in time")
               .Register(registry)
               .Add({})),
      seconds(make_seconds(registry)) {
  auto& results = prometheus::BuildCounter()
                      .Name("postern_route_programs_total")
                      .Help("Routes' programs run on an event, by result")
                      .Register(registry);
  auto& ended = prometheus::BuildCounter()
                    .Name("postern_route_workers_ended_total")
                    .Help("Processes for routes' programs that had to be replaced, by reason")
                    .Register(registry);
  for (std::size_t i = 0; i < kKinds.size(); ++i) kinds_[i] = &results.Add({{"result", kKinds[i]}});
  for (std::size_t i = 0; i < kFaults; ++i) {
    const std::string fault(to_text(static_cast<Fault>(i)));
    faults_[i] = &results.Add({{"result", fault}});
    ended_[i] = &ended.Add({{"fault", fault}});
  }
}

void ProgramMetrics::count(const Ruling& ruling) {
  const bool failed = ruling.kind == Ruling::Kind::failed;
  (failed ? faults_[static_cast<std::size_t>(ruling.fault)] : kinds_[static_cast<std::size_t>(ruling.kind)])
      ->Increment();
}

}  // namespace postern::relay
