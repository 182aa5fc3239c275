#include "base/http/message.hpp"
#include "control/cli/render.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

constexpr Column kEventColumns[] = {{"RECEIVED", "received_at"}, {"TYPE", "type"},
                                    {"VERIFIED", "verified"},    {"BYTES", "body_size"},
                                    {"REPEATS", "duplicates"},   {"ID", "id"}};
constexpr Column kDeliveryColumns[] = {{"CREATED", "created_at"},
                                       {"STATE", "state"},
                                       {"REASON", "reason"},
                                       {"ATTEMPTS", "attempt_count"},
                                       {"NEXT", "next_at"},
                                       {"DESTINATION", "destination_id"},
                                       {"ID", "id"}};
constexpr std::size_t kTailMost = 10'000;
/// Events are stored in groups and by many loops: one received a little earlier may be there a little later.
constexpr Duration kLate = std::chrono::seconds(3);

Outcome<std::string> events_path(ApiClient& api, const EventQuery& query) {
  QueryPath path("events");
  if (!query.source.empty()) {
    auto id = find_id(api, "sources", query.source);
    if (!id) return std::unexpected(id.error());
    path.add("source_id", *id);
  }
  path.add("type", query.type)
      .add("status", query.status)
      .add("since", query.since)
      .add("until", query.until);
  return path.text();
}

Outcome<std::string> deliveries_path(ApiClient& api, std::string base, const DeliveryQuery& query) {
  QueryPath path(std::move(base));
  path.add("event_id", query.event).add("state", query.state);
  if (!query.destination.empty()) {
    auto id = find_id(api, "destinations", query.destination);
    if (!id) return std::unexpected(id.error());
    path.add("destination_id", *id);
  }
  if (!query.source.empty()) {
    auto id = find_id(api, "sources", query.source);
    if (!id) return std::unexpected(id.error());
    path.add("source_id", *id);
  }
  path.add("type", query.type)
      .add("reason", query.reason)
      .add("since", query.since)
      .add("until", query.until)
      .add("replay_id", query.replay);
  return path.text();
}

Outcome<std::string> listed(ApiClient& api, const std::string& path, std::size_t most,
                            std::span<const Column> columns, std::string_view none, Form form) {
  auto items = all_items(api, path, most);
  if (!items) return std::unexpected(items.error());
  if (form == Form::json) return raw(json::object{{"items", *items}});
  return items->empty() ? std::string(none) : format_table(columns, *items);
}

std::string tail_line(const json::object& event, Form form) {
  if (form == Form::json) return raw(event);
  return fmt::format("{}  {}  {:<32} {:>8} B{}\n", format_cell(event.at("received_at")),
                     format_cell(event.at("id")), format_cell(event.at("type")),
                     format_cell(event.at("body_size")),
                     event.at("verified").as_bool() ? "" : "  unverified");
}

}  // namespace

Outcome<std::string> list_events_command(ApiClient& api, const EventQuery& query, Form form) {
  auto path = events_path(api, query);
  if (!path) return std::unexpected(path.error());
  return listed(api, *path, query.most, kEventColumns, "No events match.\n", form);
}

Outcome<std::string> show_event_command(ApiClient& api, const std::string& id, bool body_only, Form form) {
  if (body_only) return api.bytes(fmt::format("events/{}/body", http::percent_encode(id)));
  return shown(api.get("events/" + http::percent_encode(id)), form);
}

Outcome<std::string> replay_event_command(ApiClient& api, const std::string& id,
                                          const std::string& destination, const std::string& configuration,
                                          Form form) {
  json::object body;
  if (!configuration.empty()) body["configuration"] = configuration;
  if (!destination.empty()) {
    auto found = find_id(api, "destinations", destination);
    if (!found) return std::unexpected(found.error());
    body["destination_id"] = *found;
  }
  return shown(api.post(fmt::format("events/{}/replay", http::percent_encode(id)), body), form);
}

Outcome<void> EventTail::begin() {
  horizon_ = from_rfc3339(query_.since);
  if (!query_.since.empty()) return {};
  auto path = events_path(api_, query_);
  if (!path) return std::unexpected(path.error());
  auto newest = all_items(api_, *path, 1);
  if (!newest) return std::unexpected(newest.error());
  if (newest->empty()) return {};
  const json::object& event = newest->front().as_object();
  first_ = event.at("id").as_string();
  advance(event);
  return {};
}

void EventTail::advance(const json::object& event) {
  const auto received = from_rfc3339(event.at("received_at").as_string());
  if (!received) return;
  const Time horizon = *received - kLate;
  if (!horizon_ || *horizon_ < horizon) horizon_ = horizon;
  query_.since = to_rfc3339(*horizon_);
}

/// Every listing reaches back to the same horizon as the one before or to a later one: what was not in that
/// one has been stored since, in whatever order.
Outcome<std::string> EventTail::next() {
  if (!std::exchange(begun_, true)) {
    if (auto begun = begin(); !begun) return std::unexpected(begun.error());
    return std::string();
  }
  auto path = events_path(api_, query_);
  if (!path) return std::unexpected(path.error());
  auto items = all_items(api_, *path, kTailMost);
  if (!items) return std::unexpected(items.error());
  cut_ = items->size() >= kTailMost;
  std::set<std::string, std::less<>> listed;
  std::string out;
  for (auto item = items->rbegin(); item != items->rend(); ++item) {
    const json::object& event = item->as_object();
    std::string id(event.at("id").as_string());
    if (!seen_.contains(id) && id > first_) out += tail_line(event, form_);
    listed.insert(std::move(id));
  }
  first_.clear();
  seen_ = std::move(listed);
  if (!items->empty()) advance(items->front().as_object());
  return out;
}

Outcome<std::string> list_deliveries_command(ApiClient& api, const DeliveryQuery& query, Form form) {
  auto path = deliveries_path(api, "deliveries", query);
  if (!path) return std::unexpected(path.error());
  return listed(api, *path, query.most, kDeliveryColumns, "No deliveries match.\n", form);
}

Outcome<std::string> delivery_reasons_command(ApiClient& api, const DeliveryQuery& query, Form form) {
  constexpr Column columns[] = {{"COUNT", "count"}, {"STATE", "state"}, {"REASON", "reason"}};
  auto path = deliveries_path(api, "deliveries/summary", query);
  if (!path) return std::unexpected(path.error());
  auto answer = api.get(*path);
  if (!answer) return std::unexpected(answer.error());
  if (form == Form::json) return raw(*answer);
  const json::object& summary = answer->as_object();
  const json::array& items = summary.at("items").as_array();
  if (items.empty()) return "No dead or cancelled deliveries match.\n";
  std::string out = format_table(columns, items);
  if (summary.at("counts_are_least").as_bool()) out += "\nOnly the newest were counted: there are more.\n";
  return out;
}

Outcome<std::string> show_delivery_command(ApiClient& api, const std::string& id, Form form) {
  return shown(api.get("deliveries/" + http::percent_encode(id)), form);
}

Outcome<std::string> retry_delivery_command(ApiClient& api, const std::string& id, Form form) {
  return shown(api.post(fmt::format("deliveries/{}/retry", http::percent_encode(id)), json::object()), form);
}

}  // namespace postern::control
