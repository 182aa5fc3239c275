#include "base/file.hpp"
#include "control/cli/actions.hpp"
#include "control/cli/exit_codes.hpp"
#include "control/cli/render.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

/// JSON as JSON, everything else as text.
Outcome<json::object> sample_of(std::string body) {
  if (body.starts_with('@')) {
    auto content = read_file(body.substr(1));
    if (!content) {
      return std::unexpected(CommandError{kExitUsage, fmt::format("--body: {} cannot be read: {}.",
                                                                  body.substr(1), content.error().message)});
    }
    body = std::move(*content);
  }
  json::error_code error;
  json::value parsed = json::parse(body, error);
  if (error) return json::object{{"body_text", body}};
  return json::object{{"body", std::move(parsed)}};
}

}  // namespace

Outcome<std::string> test_route_command(ApiClient& api, const Resource& routes, const GivenFlags& given,
                                        const std::string& event, const std::string& body, Form form) {
  auto asked = body_from(routes, given, api);
  if (!asked) return std::unexpected(asked.error());
  if (!event.empty()) (*asked)["event_id"] = event;
  if (!body.empty()) {
    auto sample = sample_of(body);
    if (!sample) return std::unexpected(sample.error());
    (*asked)["sample"] = std::move(*sample);
  }
  return shown(api.post("routes/test", *asked), form);
}

}  // namespace postern::control
