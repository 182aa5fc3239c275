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

json::value upgrade_json(const std::optional<FailedUpgrade>& failed) {
  if (!failed) return nullptr;
  return json::object{{"at", to_rfc3339(failed->at)}, {"error", error_json(failed->error)}};
}

json::array sessions_json(const Status& status) {
  json::array out;
  for (const SessionStatus& session : status.session_list) {
    json::object& one = out.emplace_back(json::object()).as_object();
    one = {{"index", out.size() - 1}, {"state", session.state}};
    if (session.since == Time{}) continue;
    one["relay"] = session.relay;
    one["since"] = to_rfc3339(session.since);
    one["generation"] = session.generation;
    one["round_trip_us"] = session.round_trip.count();
    one["in_flight"] = session.in_flight;
    one["probed_at"] = session.probed_at ? json::value(to_rfc3339(*session.probed_at)) : nullptr;
  }
  return out;
}

json::array apps_json(const Status& status) {
  json::array out;
  for (const AppStatus& app : status.apps) {
    out.push_back(json::object{{"app", app.app},
                               {"reachable", app.reachable},
                               {"reason", app.reason},
                               {"in_flight", app.in_flight},
                               {"max", app.most > 0 ? json::value(app.most) : nullptr}});
  }
  return out;
}

json::array errors_json(const Status& status) {
  json::array out;
  for (const PastError& past : status.errors) {
    out.push_back(json::object{{"at", to_rfc3339(past.at)},
                               {"code", past.error.code},
                               {"message", past.error.message},
                               {"times", past.times}});
  }
  return out;
}

json::object to_json(const Status& status, Time now) {
  const Counters& counters = status.deliveries;
  return json::object{{"pid", ::getpid()},
                      {"version", POSTERN_VERSION},
                      {"phase", to_text(status.phase)},
                      {"phase_since", to_rfc3339(status.phase_since)},
                      {"relay", status.relay},
                      {"agent_id", status.agent_id},
                      {"sessions", status.sessions},
                      {"sessions_open", status.sessions_open},
                      {"session_list", sessions_json(status)},
                      {"last_error", error_json(status.last_error)},
                      {"errors", errors_json(status)},
                      {"last_delivery_at",
                       status.last_delivery_at ? json::value(to_rfc3339(*status.last_delivery_at)) : nullptr},
                      {"deliveries", json::object{{"in_flight", counters.in_flight},
                                                  {"answered", counters.answered},
                                                  {"told_again", counters.told_again},
                                                  {"not_sent", counters.not_sent},
                                                  {"maybe_sent", counters.maybe_sent},
                                                  {"refused", counters.refused}}},
                      {"granted", status.granted},
                      {"apps", apps_json(status)},
                      {"journal", json::object{{"entries", status.journal.entries},
                                               {"bytes", status.journal.bytes},
                                               {"evicted", status.journal.evicted}}},
                      {"config", config_json(status.config)},
                      {"failed_upgrade", upgrade_json(status.failed_upgrade)},
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

void StatusBoard::failed(Error error) {
  auto& errors = status_.errors;
  const bool again = !errors.empty() && errors.front().error.code == error.code &&
                     errors.front().error.message == error.message;
  if (again) {
    errors.front().at = clock_.now();
    ++errors.front().times;
  } else {
    errors.push_front({clock_.now(), error});
    if (errors.size() > kErrorsKept) errors.pop_back();
  }
  status_.last_error = std::move(error);
}

void StatusBoard::tick() {
  if (left_) return;
  if (fill_) fill_(status_);
  const std::string content = json::serialize(to_json(status_, clock_.now())) + "\n";
  [[maybe_unused]] const auto written = replace_file(file_, content, Durable::no);
}

}  // namespace postern::agent
