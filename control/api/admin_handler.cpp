#include "control/api/admin_handler.hpp"

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "control/api/json.hpp"
#include "control/api/openapi.hpp"
#include "relay/limits/source_prefix.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kWelcome =
    "Postern, a webhook relay with private agents.\n"
    "\n"
    "API:      /api/v1/         (Authorization: Bearer KEY; the first key is in admin.key of the data "
    "directory)\n"
    "Its form: /api/v1/openapi.yaml\n"
    "Health:   /health /health/live /health/ready\n"
    "Metrics:  /metrics\n"
    "\n"
    "On the command line: postern --help\n";

constexpr std::string_view kOpenPaths[] = {
    "/", "/health", "/health/live", "/health/ready", "/metrics", "/api/v1/openapi.yaml"};

http::Response text_response(std::string_view type, std::string body) {
  return {.status = 200,
          .headers = {{"Content-Type", std::string(type)},
                      {"Cache-Control", "no-store"},
                      {"X-Content-Type-Options", "nosniff"}},
          .body = std::move(body)};
}

constexpr const char* kPutOffSeconds = "5";

constexpr std::string_view kEventPath = "/events/";

/// Links in messages lead here. Says how to look, and nothing about the event: no key was shown.
std::optional<EventId> linked_event(std::string_view path) {
  return path.starts_with(kEventPath) ? EventId::parse(path.substr(kEventPath.size())) : std::nullopt;
}

std::string event_pointer(EventId event) {
  const std::string id = event.to_string();
  return fmt::format(
      "Event {0}\n\n"
      "  postern events show {0}\n"
      "  postern events replay {0}\n"
      "  GET /api/v1/events/{0}        (Authorization: Bearer KEY)\n",
      id);
}

bool is_open(std::string_view path) {
  if (linked_event(path)) return true;
  return std::ranges::find(kOpenPaths, path) != std::end(kOpenPaths);
}

std::optional<std::string_view> bearer(const http::Request& request) {
  const std::string* header = http::find_header(request.headers, "Authorization");
  constexpr std::string_view scheme = "bearer ";
  if (!header || http::count_header(request.headers, "Authorization") != 1) return std::nullopt;
  const std::string_view value = *header;
  if (!ascii_iequals(value.substr(0, scheme.size()), scheme)) return std::nullopt;
  return value.substr(scheme.size());
}

Problem only_get() {
  Problem problem{405, "method_not_allowed", "This path takes GET."};
  problem.headers.push_back({"Allow", "GET"});
  return problem;
}

}  // namespace

std::span<const std::string_view> open_paths() {
  return kOpenPaths;
}

AdminHandler::AdminHandler(const ApiServices& services, const ApiKeys& keys, const Health& health,
                           std::vector<const prometheus::Collectable*> metrics)
    : services_(services),
      keys_(keys),
      health_(health),
      metrics_(std::move(metrics)),
      failures_(services.clock, {.burst = 10, .refill = std::chrono::seconds(6)}) {}

Problem AdminHandler::refuse(const http::Request& request, std::string detail) {
  const auto source = relay::peer_address(request.peer);
  if (!failures_.may_try(source)) {
    return {429,
            "too_many_failures",
            "Too many failed authentications from this address.",
            {},
            {{"Retry-After", "6"}}};
  }
  failures_.failed(source);
  log::warn("api.unauthorized",
            {{"peer", request.peer}, {"method", request.method}, {"path", request.path()}});
  return {401, "unauthorized", std::move(detail), {}, {{"WWW-Authenticate", "Bearer realm=\"postern\""}}};
}

std::expected<Principal, Problem> AdminHandler::authenticate(const http::Request& request) {
  const auto key = bearer(request);
  if (!key) return std::unexpected(refuse(request, "Send the API key as Authorization: Bearer pk_…."));
  const auto who = keys_.find(*key);
  if (!who)
    return std::unexpected(refuse(request, "This API key is not known here, or was cut when it was copied."));
  return *who;
}

std::string AdminHandler::collected() const {
  std::vector<prometheus::MetricFamily> all;
  for (const prometheus::Collectable* source : metrics_) {
    for (prometheus::MetricFamily& family : source->Collect()) all.push_back(std::move(family));
  }
  return prometheus::TextSerializer().Serialize(all);
}

std::optional<Problem> AdminHandler::give_up(const Endpoint& endpoint) const {
  relay::Shedding* const shedding = services_.shedding;
  if (shedding == nullptr || !endpoint.work || !shedding->gives_up(*endpoint.work)) return std::nullopt;
  shedding->count(*endpoint.work);
  return Problem{503,
                 "overloaded",
                 "The relay is overloaded and puts this off: what comes in goes first. Health, metrics, the "
                 "configuration, single events and deliveries, and changes are still there.",
                 {},
                 {{"Retry-After", kPutOffSeconds}}};
}

http::HeadDecision AdminHandler::on_head(const http::Request& head) {
  if (is_open(head.path())) {
    if (head.method != "GET") return to_response(only_get());
    return http::ReadBody{0};
  }
  const auto found = match(endpoints(), head.method, head.path());
  if (!found) return to_response(found.error());
  const auto who = authenticate(head);
  if (!who) return to_response(who.error());
  if (const auto put_off = give_up(*found->endpoint)) return to_response(*put_off);
  return http::ReadBody{kBodyLimit};
}

asio::awaitable<http::Response> AdminHandler::on_request(http::Request request) {
  const std::string_view path = request.path();
  if (path == "/") co_return text_response("text/plain; charset=utf-8", std::string(kWelcome));
  if (const auto event = linked_event(path))
    co_return text_response("text/plain; charset=utf-8", event_pointer(*event));
  if (path == "/health/ready" || path == "/health") co_return health_.ready_response();
  if (path == "/health/live") co_return health_.live_response();
  if (path == "/api/v1/openapi.yaml")
    co_return text_response("application/yaml", std::string(openapi_yaml()));
  if (path == "/metrics") co_return text_response("text/plain; version=0.0.4", collected());
  auto found = match(endpoints(), request.method, path);
  if (!found) co_return to_response(found.error());
  const auto who = authenticate(request);
  if (!who) co_return to_response(who.error());
  const EndpointFunction function = found->endpoint->function;
  Call call{std::move(request), *who, std::move(found->params)};
  auto reply = co_await function(services_, std::move(call));
  if (!reply) co_return to_response(reply.error());
  co_return std::move(*reply);
}

}  // namespace postern::control
