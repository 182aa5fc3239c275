#include "agent/status.hpp"

#include <unistd.h>

#include <boost/json.hpp>

#include "agent/files.hpp"

namespace postern::agent {
namespace {

namespace json = boost::json;

json::value error_json(const std::optional<Error>& error) {
  if (!error) return nullptr;
  return json::object{{"code", error->code}, {"message", error->message}};
}

json::value text_or_null(const std::string& text) {
  return text.empty() ? json::value(nullptr) : json::value(text);
}

json::object config_json(const ConfigStatus& config) {
  return json::object{{"file", text_or_null(config.file)},
                      {"loaded_at", to_rfc3339(config.loaded_at)},
                      {"error", error_json(config.error)}};
}

json::object to_json(const Status& status, Time now) {
  const Counters& counters = status.deliveries;
  return json::object{{"pid", ::getpid()},
                      {"phase", to_text(status.phase)},
                      {"phase_since", to_rfc3339(status.phase_since)},
                      {"relay", status.relay},
                      {"agent_id", status.agent_id},
                      {"sessions", status.sessions},
                      {"sessions_open", status.sessions_open},
                      {"last_error", error_json(status.last_error)},
                      {"last_delivery_at",
                       status.last_delivery_at ? json::value(to_rfc3339(*status.last_delivery_at)) : nullptr},
                      {"deliveries", json::object{{"in_flight", counters.in_flight},
                                                  {"answered", counters.answered},
                                                  {"told_again", counters.told_again},
                                                  {"not_sent", counters.not_sent},
                                                  {"maybe_sent", counters.maybe_sent},
                                                  {"refused", counters.refused}}},
                      {"config", config_json(status.config)},
                      {"inspector", text_or_null(status.inspector)},
                      {"updated_at", to_rfc3339(now)}};
}

}  // namespace

std::string_view to_text(Phase phase) {
  switch (phase) {
    case Phase::connecting:
      return "connecting";
    case Phase::connected:
      return "connected";
    case Phase::waiting:
      return "waiting";
    case Phase::revoked:
      return "revoked";
    case Phase::replaced:
      return "replaced";
    case Phase::draining:
      return "draining";
    case Phase::stopped:
      return "stopped";
  }
  return "unknown";
}

void StatusBoard::enter(Phase phase) {
  if (std::exchange(status_.phase, phase) != phase || status_.phase_since == Time{})
    status_.phase_since = clock_.now();
  tick();
}

void StatusBoard::tick() {
  const std::string content = json::serialize(to_json(status_, clock_.now())) + "\n";
  [[maybe_unused]] const auto written = replace_file(file_, content, Durable::no);
}

}  // namespace postern::agent
