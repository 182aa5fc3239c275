#include "relay/routing/current_routes.hpp"

#include "relay/providers/order_rule.hpp"
#include "relay/routing/outcome.hpp"

namespace postern::relay {
namespace {

OrderKey order_key(const Catalog& catalog, DestinationId id, const Event& event) {
  const auto found = catalog.destinations.find(id);
  return found == catalog.destinations.end() ? kNoOrder : OrderRule::of(*found->second).key_of(event);
}

ProgramJob job_of(const Catalog& catalog, std::shared_ptr<const Event> event,
                  std::shared_ptr<const std::vector<RoutePrograms>> programs) {
  ProgramJob job;
  job.line = event->source_id;
  const auto source = catalog.sources.find(event->source_id);
  if (source != catalog.sources.end()) {
    job.provider = source->second->provider;
    job.source = source->second->name;
  }
  job.event = std::move(event);
  job.programs = std::move(programs);
  return job;
}

bool is_suspended(const Ruling& ruling) {
  return ruling.kind == Ruling::Kind::failed && ruling.fault == Fault::suspended;
}

}  // namespace

/// The routes of an event's source, and which of them there is something to ask.
struct CurrentRoutes::Plan {
  std::vector<NewDelivery> deliveries;
  std::shared_ptr<std::vector<RoutePrograms>> programs = std::make_shared<std::vector<RoutePrograms>>();
  std::vector<std::size_t> places;  // of each program in `deliveries`
};

CurrentRoutes::Plan CurrentRoutes::plan_for(const Catalog& catalog, const Event& event,
                                            std::optional<DestinationId> only) const {
  Plan plan;
  const auto routes = catalog.routes_by_source.find(event.source_id);
  if (routes == catalog.routes_by_source.end()) return plan;
  for (const auto& route : routes->second) {
    if (only && route->destination_id != *only) continue;
    if (!route->filter.empty() || !route->transform.empty()) {
      plan.programs->push_back({route->filter, route->transform});
      plan.places.push_back(plan.deliveries.size());
    }
    plan.deliveries.push_back({.id = parts_.ids.of<DeliveryId>(),
                               .destination_id = route->destination_id,
                               .order_key = order_key(catalog, route->destination_id, event)});
  }
  return plan;
}

boost::asio::awaitable<CurrentRoutes::Decided> CurrentRoutes::decide(std::shared_ptr<const Catalog> catalog,
                                                                     std::shared_ptr<const Event> event,
                                                                     std::optional<DestinationId> only,
                                                                     Duration limit, bool patient) const {
  Plan plan = plan_for(*catalog, *event, only);
  if (plan.programs->empty()) co_return std::move(plan.deliveries);
  ProgramJob job = job_of(*catalog, std::move(event), plan.programs);
  auto rulings = co_await evaluate(parts_.programs, std::move(job), limit);
  if (!rulings) co_return std::unexpected(rulings.error());
  if (patient && std::ranges::any_of(*rulings, is_suspended)) {
    co_return fail(std::string(kProgramsSuspended), "a program broke its limits too often just now");
  }
  for (std::size_t i = 0; i < rulings->size(); ++i) {
    apply((*rulings)[i], (*plan.programs)[i], plan.deliveries[plan.places[i]]);
  }
  co_return std::move(plan.deliveries);
}

}  // namespace postern::relay
