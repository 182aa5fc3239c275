#pragma once
#include <boost/asio/awaitable.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "control/api/call.hpp"
#include "relay/overload/load_level.hpp"

namespace postern::control {

using EndpointFunction = boost::asio::awaitable<Reply> (*)(const ApiServices&, Call);

/// One row of the API. Every row here needs an API key.
struct Endpoint {
  std::string_view method;
  std::string_view pattern;  ///< "/api/v1/sources/{id}": each {…} stands for one non-empty segment
  EndpointFunction function;
  /// Answered 503 while the node gives this up. What an operator needs to see how it stands and to act
  /// (health, metrics, configuration, one thing by its id, every change) has none.
  std::optional<relay::Work> work = {};
};

/// All of /api/v1 that needs a key, grouped by resource. openapi.yaml describes exactly these.
std::span<const Endpoint> endpoints();

struct Match {
  const Endpoint* endpoint;
  std::vector<std::string> params;
};
/// The row for a request, or the Problem: 404 for a path nobody knows, 405 with Allow for one that has other
/// methods.
std::expected<Match, Problem> match(std::span<const Endpoint> table, std::string_view method,
                                    std::string_view path);

}  // namespace postern::control
