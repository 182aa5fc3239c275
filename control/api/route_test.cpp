// POST /api/v1/routes/test: what a filter and a transform make of an event, before they are saved.
#include "base/bytes.hpp"
#include "control/api/fields.hpp"
#include "control/api/handlers.hpp"
#include "control/api/json.hpp"
#include "control/api/route_programs.hpp"
#include "control/api/views.hpp"
#include "relay/routing/event_input.hpp"
#include "relay/routing/outcome.hpp"
#include "relay/routing/program_pool.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using relay::Ruling;
using relay::Transaction;

/// More is not shown: a person reads it.
constexpr std::size_t kInputShown = 64 * 1024;

/// What the programs are tried on.
struct Trial {
  std::shared_ptr<const relay::Event> event;
  std::string provider, source;
};

void read_sample_headers(Fields& sample, relay::Event& event) {
  const json::object* headers = sample.object("headers");
  if (!headers) return;
  for (const auto& [name, value] : *headers) {
    if (!value.is_string()) return sample.wrong("headers", "must have strings as values.");
    event.headers.push_back({std::string(name), std::string(value.get_string())});
  }
}

std::expected<Trial, Problem> read_sample(const json::object& object, const ApiServices& services) {
  Fields sample(object);
  auto event = std::make_shared<relay::Event>();
  event->id = services.ids.of<EventId>();
  event->received_at = services.clock.now();
  event->method = "POST";
  event->type = sample.text("type", 200, 0).value_or("");
  event->target = "/?" + sample.text("query", 8192, 0).value_or("");
  read_sample_headers(sample, *event);
  const bool has_text = sample.has("body_text");
  event->body = sample.text("body_text", kBodyLimit, 0).value_or("");
  if (const json::value* body = sample.any("body"); body && !has_text) event->body = json::serialize(*body);
  std::string provider = sample.text("provider", 100, 0).value_or("");
  if (auto problem = sample.finish()) return std::unexpected(std::move(*problem));
  return Trial{std::move(event), std::move(provider), "sample"};
}

asio::awaitable<std::expected<Trial, Problem>> stored_event(const ApiServices& services,
                                                            WorkspaceId workspace, EventId id) {
  auto job = [workspace, id](Transaction& tx) { return relay::EventRepository(tx).get(workspace, id); };
  auto found = co_await relay::read<Result<relay::StoredEvent>>(services.database, std::move(job));
  if (!found) co_return std::unexpected(problem_from(found.error()));
  if (!*found) co_return std::unexpected(problem_from(found->error()));
  if ((*found)->event.body_expired) co_return std::unexpected(body_gone());
  Trial trial{std::make_shared<const relay::Event>(std::move((*found)->event)), "", ""};
  const auto catalog = services.catalog.current();
  const auto source = catalog->sources.find(trial.event->source_id);
  if (source == catalog->sources.end()) co_return trial;
  trial.provider = source->second->provider;
  trial.source = source->second->name;
  co_return trial;
}

/// As the worker puts it together, for a person to see what a program can reach.
json::value input_shown(const Trial& trial) {
  if (trial.event->body.size() > kInputShown) return nullptr;
  json::object input =
      json::parse(relay::event_input(*trial.event, trial.provider, trial.source)).as_object();
  json::error_code error;
  json::value body = json::parse(trial.event->body, error);
  if (error) input["body_text"] = json_text(trial.event->body);
  input["body"] = error ? json::value(nullptr) : std::move(body);
  return input;
}

std::string_view outcome_of(const Ruling& ruling) {
  switch (ruling.kind) {
    case Ruling::Kind::skipped:
      return "skipped";
    case Ruling::Kind::failed:
      return "failed";
    default:
      return "delivered";
  }
}

json::object shown(const Ruling& ruling, const relay::RoutePrograms& programs, const Trial& trial) {
  return {{"outcome", outcome_of(ruling)},
          {"reason", json_text(relay::reason_of(ruling, programs))},
          {"message", json_text(ruling.message)},
          {"payload", ruling.payload ? json::value(view(*ruling.payload)) : json::value(nullptr)},
          {"input", input_shown(trial)}};
}

}  // namespace

asio::awaitable<Reply> test_route(const ApiServices& services, Call call) {
  auto body = parse_body(call.request.body);
  if (!body) co_return std::unexpected(std::move(body.error()));
  Fields fields(*body);
  const relay::RoutePrograms programs = read_programs(fields);
  const auto id = fields.id<EventId>("event_id");
  const json::object* sample = fields.object("sample");
  if (id && sample) fields.wrong("sample", "is for a test without event_id.");
  if (auto problem = fields.finish()) co_return std::unexpected(std::move(*problem));
  std::expected<Trial, Problem> trial = read_sample(sample ? *sample : json::object(), services);
  if (id) trial = co_await stored_event(services, call.who.workspace_id, *id);
  if (!trial) co_return std::unexpected(std::move(trial.error()));
  relay::ProgramJob job;
  job.event = trial->event;
  job.programs = std::make_shared<const std::vector<relay::RoutePrograms>>(1, programs);
  job.provider = trial->provider;
  job.source = trial->source;
  job.trial = true;
  auto rulings = co_await evaluate(services.programs, std::move(job), kProgramsLimit);
  if (!rulings) co_return std::unexpected(problem_from(rulings.error()));
  co_return json_response(200, shown(rulings->front(), programs, *trial));
}

}  // namespace postern::control
