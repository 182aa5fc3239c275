#include "relay/overload/shedding.hpp"

namespace postern::relay {

Shedding::Shedding(prometheus::Registry& metrics) {
  gauge_ =
      &prometheus::BuildGauge()
           .Name("postern_load_level")
           .Help("What is given up: 0 nothing, 1 reads, 2 replays, 3 retries, 4 some events, 5 all events")
           .Register(metrics)
           .Add({});
  auto& family = prometheus::BuildCounter()
                     .Name("postern_shed_total")
                     .Help("What was put off or refused because of the load, by kind")
                     .Register(metrics);
  for (int i = 0; i < kWorks; ++i) {
    counters_[static_cast<std::size_t>(i)] = &family.Add({{"kind", std::string(to_text(Work{i}))}});
  }
}

void Shedding::set(LoadLevel level) {
  level_.store(level, std::memory_order_relaxed);
  gauge_->Set(static_cast<int>(level));
}

}  // namespace postern::relay
