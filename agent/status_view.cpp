#include "agent/status_view.hpp"

#include <boost/json.hpp>

#include <algorithm>

#include "agent/files.hpp"
#include "agent/visible.hpp"

namespace postern::agent {

namespace json = boost::json;

namespace {

const json::value* find(const json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  return value && !value->is_null() ? value : nullptr;
}

std::string text(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  if (!value) return {};
  return value->is_string() ? std::string(value->as_string()) : json::serialize(*value);
}

std::int64_t number(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  boost::system::error_code beyond;  // a relay may give any generation
  return value && value->is_number() ? value->to_number<std::int64_t>(beyond) : 0;
}

bool flag(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value && value->is_bool() && value->as_bool();
}

json::object object_of(const json::object& object, std::string_view key) {
  const auto* value = find(object, key);
  return value && value->is_object() ? value->as_object() : json::object();
}

/// The objects of a list.
std::vector<json::object> list_of(const json::object& object, std::string_view key) {
  std::vector<json::object> out;
  const auto* value = find(object, key);
  if (!value || !value->is_array()) return out;
  for (const json::value& item : value->as_array()) {
    if (item.is_object()) out.push_back(item.as_object());
  }
  return out;
}

/// "12 s", "3 min 5 s", "2 h 14 min", "9 d 3 h": two units at most.
std::string span(Duration length) {
  const auto seconds =
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(length).count());
  const auto two = [](std::int64_t large, std::string_view unit, std::int64_t small, std::string_view part) {
    return small == 0 ? fmt::format("{} {}", large, unit)
                      : fmt::format("{} {} {} {}", large, unit, small, part);
  };
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return two(seconds / 60, "min", seconds % 60, "s");
  if (seconds < 86400) return two(seconds / 3600, "h", seconds / 60 % 60, "min");
  return two(seconds / 86400, "d", seconds / 3600 % 24, "h");
}

std::string since(const json::object& object, std::string_view key, Time now) {
  const auto at = from_rfc3339(text(object, key));
  return at ? span(now - *at) : std::string();
}

std::string bytes(std::int64_t count) {
  if (count < 1024) return fmt::format("{} B", count);
  const double kib = static_cast<double>(count) / 1024;
  return kib < 1024 ? fmt::format("{:.1f} KiB", kib) : fmt::format("{:.1f} MiB", kib / 1024);
}

void line(std::string& out, std::string_view name, const std::string& value) {
  if (!value.empty()) out += fmt::format("{:<12} {}\n", name, visible(value));
}

std::string session_line(const json::object& session, Time now) {
  std::string out = fmt::format("{} {}", number(session, "index"), text(session, "state"));
  if (text(session, "state") != "connected") return out;
  out += fmt::format(" to {} for {}", text(session, "relay"), since(session, "since", now));
  out += fmt::format(", generation {}", text(session, "generation"));
  const double trip = static_cast<double>(number(session, "round_trip_us")) / 1000;
  if (trip > 0) out += fmt::format(", round trip {:.1f} ms", trip);
  const std::string probed = since(session, "probed_at", now);
  out += probed.empty() ? ", not probed yet" : fmt::format(", live (probed {} ago)", probed);
  const auto streams = number(session, "in_flight");
  return streams == 0 ? out : fmt::format("{}, {} in flight", out, streams);
}

std::string app_line(const json::object& app) {
  const bool reachable = flag(app, "reachable");
  std::string out = fmt::format("{}: {}", text(app, "app"), reachable ? "reachable" : text(app, "reason"));
  if (const auto most = number(app, "max"); most > 0)
    return fmt::format("{}, {} of {} in flight", out, number(app, "in_flight"), most);
  const auto busy = number(app, "in_flight");
  return busy == 0 ? out : fmt::format("{}, {} in flight", out, busy);
}

std::string deliveries_line(const json::object& status, Time now) {
  const json::object counts = object_of(status, "deliveries");
  if (counts.empty()) return {};
  const auto granted = number(status, "granted");
  std::string out =
      fmt::format("{}{} in flight; {} answered, {} told again, {} not sent ({} refused), {} maybe sent",
                  number(counts, "in_flight"), granted == 0 ? "" : fmt::format(" of {}", granted),
                  number(counts, "answered"), number(counts, "told_again"), number(counts, "not_sent"),
                  number(counts, "refused"), number(counts, "maybe_sent"));
  const std::string last = since(status, "last_delivery_at", now);
  return last.empty() ? out : fmt::format("{}; the last one {} ago", out, last);
}

std::string config_line(const json::object& status, Time now) {
  const json::object config = object_of(status, "config");
  if (config.empty()) return {};
  const std::string file = text(config, "file");
  std::string out =
      fmt::format("{}, taken over {} ago", file.empty() ? "no file" : file, since(config, "loaded_at", now));
  const json::object error = object_of(config, "error");
  return error.empty() ? out : fmt::format("{}; REFUSED since: {}", out, text(error, "message"));
}

std::string journal_line(const json::object& status) {
  const json::object journal = object_of(status, "journal");
  if (journal.empty()) return {};
  std::string out = fmt::format("{} outcomes to be confirmed, {}", number(journal, "entries"),
                                bytes(number(journal, "bytes")));
  const auto evicted = number(journal, "evicted");
  return evicted == 0 ? out : fmt::format("{}; {} were dropped for room", out, evicted);
}

std::string error_line(const json::object& error, Time now) {
  const auto times = number(error, "times");
  return fmt::format("{} ago{}: {} ({})", since(error, "at", now),
                     times > 1 ? fmt::format(", {} times", times) : "", text(error, "message"),
                     text(error, "code"));
}

std::string upgrade_line(const json::object& status, Time now) {
  const json::object failed = object_of(status, "failed_upgrade");
  if (failed.empty()) return {};
  const json::object error = object_of(failed, "error");
  return fmt::format("FAILED {} ago, so this version goes on: {} ({})", since(failed, "at", now),
                     text(error, "message"), text(error, "code"));
}

/// It ended with the process, and its token.
std::string inspector_line(const json::object& status) {
  return text(status, "phase") == "not_running" ? std::string() : text(status, "inspector");
}

std::string head_line(const json::object& status, Time now) {
  const std::string phase = text(status, "phase");
  if (phase == "not_running" && status_pid(status).empty()) return "not running, and never did";
  if (phase == "not_running")
    return fmt::format("not running; what process {} said last, {} ago, follows", status_pid(status),
                       since(status, "updated_at", now));
  std::string out =
      fmt::format("{} for {} (process {})", phase, since(status, "phase_since", now), status_pid(status));
  if (flag(status, "stale"))
    out += fmt::format("; it has said nothing for {}: it may be stuck", since(status, "updated_at", now));
  return out;
}

}  // namespace

Result<json::object> read_status(const StateDir& state_dir, Time now) {
  if (!state_dir.joined()) return std::unexpected(state_dir.identity().error());
  const auto content = read_file(state_dir.status_file());
  if (!content) return std::unexpected(content.error());
  json::error_code ec;
  json::value parsed = *content ? json::parse(**content, ec) : json::object();
  json::object status = parsed.is_object() ? std::move(parsed.as_object()) : json::object();
  const bool runs = state_dir.running().has_value();
  if (!runs) status["phase"] = "not_running";
  const auto updated = from_rfc3339(text(status, "updated_at"));
  status["stale"] = !runs || !updated || now - *updated >= kStatusStale;
  return status;
}

bool is_connected(const json::object& status) {
  return text(status, "phase") == "connected" && !flag(status, "stale");
}

std::string status_pid(const json::object& status) {
  return text(status, "pid");
}

std::string render_status(const json::object& status, Time now) {
  std::string out;
  line(out, "agent", text(status, "agent_id"));
  line(out, "phase", head_line(status, now));
  line(out, "version", text(status, "version"));
  line(out, "upgrade", upgrade_line(status, now));
  line(out, "relay", text(status, "relay"));
  const auto opened = number(status, "sessions");
  line(out, "sessions", fmt::format("{} open, {} since the start", number(status, "sessions_open"), opened));
  for (const json::object& session : list_of(status, "session_list"))
    line(out, "", session_line(session, now));
  for (const json::object& app : list_of(status, "apps")) line(out, "app", app_line(app));
  line(out, "deliveries", deliveries_line(status, now));
  line(out, "journal", journal_line(status));
  line(out, "config", config_line(status, now));
  line(out, "inspector", inspector_line(status));
  for (const json::object& error : list_of(status, "errors")) line(out, "error", error_line(error, now));
  return out;
}

}  // namespace postern::agent
