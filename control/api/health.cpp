#include "control/api/health.hpp"

#include "control/api/json.hpp"

namespace postern::control {

namespace json = boost::json;

void Health::add(std::string name, std::function<Result<void>()> check) {
  checks_.push_back({std::move(name), std::move(check)});
}

Result<void> Health::phase() const {
  if (draining_) return fail("draining", "This node is stopping.");
  if (!serving_) return fail("starting", "This node has not finished starting.");
  return {};
}

bool Health::ready() const {
  return phase() && std::ranges::all_of(checks_, [](const Check& check) { return check.run().has_value(); });
}

http::Response Health::live_response() const {
  return json_response(200, json::object{{"status", "ok"}});
}

http::Response Health::ready_response() const {
  bool all = true;
  json::object checks;
  const auto show = [&](std::string_view name, const Result<void>& result) {
    json::object shown{{"ok", result.has_value()}};
    if (!result) shown["code"] = result.error().code;
    if (!result) shown["detail"] = result.error().message;
    all = all && result;
    checks[name] = std::move(shown);
  };
  show("serving", phase());
  for (const Check& check : checks_) show(check.name, check.run());
  return json_response(all ? 200 : 503,
                       json::object{{"status", all ? "ok" : "unavailable"}, {"checks", checks}});
}

}  // namespace postern::control
