#include "control/api/route_table.hpp"

#include "control/api/handlers.hpp"

namespace postern::control {
namespace {

using relay::Work;

constexpr Endpoint kEndpoints[] = {
    {"GET", "/api/v1/workspace", get_workspace},
    {"PATCH", "/api/v1/workspace", patch_workspace},

    {"GET", "/api/v1/sources", list_sources},
    {"POST", "/api/v1/sources", create_source},
    {"GET", "/api/v1/sources/{id}", get_source},
    {"PATCH", "/api/v1/sources/{id}", patch_source},
    {"DELETE", "/api/v1/sources/{id}", delete_source},
    {"GET", "/api/v1/sources/{id}/activity", get_source_activity, Work::reads},

    {"GET", "/api/v1/destinations", list_destinations},
    {"POST", "/api/v1/destinations", create_destination},
    {"GET", "/api/v1/destinations/{id}", get_destination},
    {"PATCH", "/api/v1/destinations/{id}", patch_destination},
    {"DELETE", "/api/v1/destinations/{id}", delete_destination},
    {"POST", "/api/v1/destinations/{id}/breaker/reset", reset_breaker},

    {"GET", "/api/v1/routes", list_routes},
    {"POST", "/api/v1/routes", create_route},
    {"POST", "/api/v1/routes/test", test_route, Work::reads},
    {"GET", "/api/v1/routes/{id}", get_route},
    {"PATCH", "/api/v1/routes/{id}", patch_route},
    {"DELETE", "/api/v1/routes/{id}", delete_route},

    {"GET", "/api/v1/agents", list_agents},
    {"POST", "/api/v1/agents", create_agent},
    {"GET", "/api/v1/agents/{id}", get_agent},
    {"PATCH", "/api/v1/agents/{id}", patch_agent},
    {"DELETE", "/api/v1/agents/{id}", delete_agent},
    {"POST", "/api/v1/agents/{id}/enrollment", enroll_agent},
    {"POST", "/api/v1/agents/{id}/rotate", rotate_agent},
    {"POST", "/api/v1/agents/{id}/clear-copy", clear_agent_copy},
    {"POST", "/api/v1/agents/{id}/revoke", revoke_agent},

    {"GET", "/api/v1/events", list_events, Work::reads},
    {"GET", "/api/v1/events/{id}", get_event},
    {"GET", "/api/v1/events/{id}/body", get_event_body, Work::reads},
    {"POST", "/api/v1/events/{id}/replay", replay_event},

    {"GET", "/api/v1/deliveries", list_deliveries, Work::reads},
    {"GET", "/api/v1/deliveries/summary", summarize_deliveries, Work::reads},
    {"GET", "/api/v1/deliveries/{id}", get_delivery},
    {"POST", "/api/v1/deliveries/{id}/retry", retry_delivery},

    {"GET", "/api/v1/replays", list_replays},
    {"POST", "/api/v1/replays", create_replay, Work::replays},
    {"GET", "/api/v1/replays/{id}", get_replay},
    {"POST", "/api/v1/replays/{id}/cancel", cancel_replay},

    {"GET", "/api/v1/workspace/retention", get_retention},
    {"PATCH", "/api/v1/workspace/retention", patch_retention},

    {"GET", "/api/v1/audit", list_audit, Work::reads},
};

std::string_view next_segment(std::string_view& rest) {
  const auto end = std::min(rest.find('/', 1), rest.size());
  const std::string_view segment = rest.substr(1, end - 1);
  rest.remove_prefix(end);
  return segment;
}

std::optional<std::vector<std::string>> params_of(std::string_view pattern, std::string_view path) {
  std::vector<std::string> params;
  while (pattern.starts_with('/') && path.starts_with('/')) {
    const std::string_view wanted = next_segment(pattern);
    const std::string_view given = next_segment(path);
    if (!wanted.starts_with('{')) {
      if (wanted != given) return std::nullopt;
      continue;
    }
    auto decoded = http::percent_decode(given);
    if (!decoded || decoded->empty()) return std::nullopt;
    params.push_back(std::move(*decoded));
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return params;
}

}  // namespace

std::span<const Endpoint> endpoints() {
  return kEndpoints;
}

std::expected<Match, Problem> match(std::span<const Endpoint> table, std::string_view method,
                                    std::string_view path) {
  std::string allowed;
  for (const Endpoint& endpoint : table) {
    auto params = params_of(endpoint.pattern, path);
    if (!params) continue;
    if (endpoint.method == method) return Match{&endpoint, std::move(*params)};
    allowed += (allowed.empty() ? "" : ", ") + std::string(endpoint.method);
  }
  if (allowed.empty()) return std::unexpected(Problem{404, "not_found", "There is nothing at this path."});
  Problem problem{405, "method_not_allowed", fmt::format("This path takes {}.", allowed)};
  problem.headers.push_back({"Allow", allowed});
  return std::unexpected(std::move(problem));
}

}  // namespace postern::control
