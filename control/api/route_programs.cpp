#include "control/api/route_programs.hpp"

#include "relay/routing/current_routes.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
using relay::RoutePrograms;
using relay::Ruling;

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
  const relay::CurrentRoutes routes({services.programs, services.ids});
  auto decided = co_await routes.decide(services.catalog.current(), std::move(event), only, kProgramsLimit);
  if (!decided) co_return std::unexpected(problem_from(decided.error()));
  if (decided->empty()) {
    co_return std::unexpected(Problem{409, "no_destination",
                                      "No route goes from this event's source to there now. Make one, or "
                                      "replay with configuration \"original\"."});
  }
  co_return std::move(*decided);
}

}  // namespace postern::control
