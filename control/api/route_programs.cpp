#include "control/api/route_programs.hpp"

#include "relay/providers/order_rule.hpp"
#include "relay/routing/outcome.hpp"
#include "relay/routing/program_pool.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
using relay::RoutePrograms;
using relay::Ruling;

/// The routes of an event's source, and which of them there is something to ask.
struct Plan {
  std::vector<relay::NewDelivery> deliveries;
  std::shared_ptr<std::vector<RoutePrograms>> programs = std::make_shared<std::vector<RoutePrograms>>();
  std::vector<std::size_t> places;  // of each program in `deliveries`
};

relay::OrderKey order_key(const relay::Catalog& catalog, DestinationId id, const relay::Event& event) {
  const auto found = catalog.destinations.find(id);
  return found == catalog.destinations.end() ? relay::kNoOrder
                                             : relay::OrderRule::of(*found->second).key_of(event);
}

Plan plan_for(const ApiServices& services, const relay::Catalog& catalog, const relay::Event& event,
              std::optional<DestinationId> only) {
  Plan plan;
  const auto routes = catalog.routes_by_source.find(event.source_id);
  if (routes == catalog.routes_by_source.end()) return plan;
  for (const auto& route : routes->second) {
    if (only && route->destination_id != *only) continue;
    if (!route->filter.empty() || !route->transform.empty()) {
      plan.programs->push_back({route->filter, route->transform});
      plan.places.push_back(plan.deliveries.size());
    }
    plan.deliveries.push_back({.id = services.ids.of<DeliveryId>(),
                               .destination_id = route->destination_id,
                               .order_key = order_key(catalog, route->destination_id, event)});
  }
  return plan;
}

relay::ProgramJob job_of(const relay::Catalog& catalog, std::shared_ptr<const relay::Event> event,
                         std::shared_ptr<const std::vector<RoutePrograms>> programs) {
  relay::ProgramJob job;
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

std::string worded(const Ruling& ruling) {
  if (ruling.fault != relay::Fault::invalid) return fmt::format("cannot be compiled: {}.", ruling.message);
  return fmt::format("is not a jq program: {}. POST /api/v1/routes/test (postern routes test) tries one out.",
                     ruling.message);
}

}  // namespace

RoutePrograms read_programs(Fields& fields) {
  return {fields.text("filter", relay::kProgramBytesMax, 0).value_or(""),
          fields.text("transform", relay::kProgramBytesMax, 0).value_or("")};
}

asio::awaitable<std::optional<Problem>> check_programs(const ApiServices& services, RoutePrograms programs) {
  if (programs.filter.empty() && programs.transform.empty()) co_return std::nullopt;
  // Each by itself, so that one answer tells of both.
  auto both = std::make_shared<std::vector<RoutePrograms>>();
  both->push_back({programs.filter, ""});
  both->push_back({"", programs.transform});
  relay::ProgramJob job;
  job.programs = both;
  job.trial = true;
  auto rulings = co_await evaluate(services.programs, std::move(job), kProgramsLimit);
  if (!rulings) co_return problem_from(rulings.error());
  std::vector<FieldError> errors;
  for (std::size_t i = 0; i < rulings->size(); ++i) {
    const Ruling& ruling = (*rulings)[i];
    if (ruling.kind == Ruling::Kind::failed)
      errors.push_back({i == 0 ? "filter" : "transform", worded(ruling)});
  }
  if (errors.empty()) co_return std::nullopt;
  co_return invalid_fields(std::move(errors));
}

asio::awaitable<std::expected<std::vector<relay::NewDelivery>, Problem>> decide_routes(
    const ApiServices& services, std::shared_ptr<const relay::Event> event,
    std::optional<DestinationId> only) {
  const auto catalog = services.catalog.current();
  Plan plan = plan_for(services, *catalog, *event, only);
  if (plan.deliveries.empty()) {
    co_return std::unexpected(Problem{409, "no_destination",
                                      "No route goes from this event's source to there now. Make one, or "
                                      "replay with configuration \"original\"."});
  }
  if (plan.programs->empty()) co_return std::move(plan.deliveries);
  relay::ProgramJob job = job_of(*catalog, std::move(event), plan.programs);
  auto rulings = co_await evaluate(services.programs, std::move(job), kProgramsLimit);
  if (!rulings) co_return std::unexpected(problem_from(rulings.error()));
  for (std::size_t i = 0; i < rulings->size(); ++i) {
    apply((*rulings)[i], (*plan.programs)[i], plan.deliveries[plan.places[i]]);
  }
  co_return std::move(plan.deliveries);
}

}  // namespace postern::control
