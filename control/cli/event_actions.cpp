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
constexpr std::size_t kTailMost = 1000;

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
                                          const std::string& destination, Form form) {
  json::object body;
  if (!destination.empty()) {
    auto found = find_id(api, "destinations", destination);
    if (!found) return std::unexpected(found.error());
    body["destination_id"] = *found;
  }
  return shown(api.post(fmt::format("events/{}/replay", http::percent_encode(id)), body), form);
}

Outcome<std::string> EventTail::next() {
  auto path = events_path(api_, query_);
  if (!path) return std::unexpected(path.error());
  // Newest first: read until the last one seen. Ids sort by time of receipt.
  auto items = all_items(api_, *path, last_id_ ? kTailMost : 1);
  if (!items) return std::unexpected(items.error());
  const std::string seen = last_id_.value_or("");
  const bool first = !last_id_;
  std::string out;
  for (auto item = items->rbegin(); item != items->rend(); ++item) {
    const std::string id(item->as_object().at("id").as_string());
    if (!first && id > seen) out += tail_line(item->as_object(), form_);
    last_id_ = std::max(last_id_.value_or(""), id);
  }
  if (!last_id_) last_id_ = "";
  return out;
}

Outcome<std::string> list_deliveries_command(ApiClient& api, const DeliveryQuery& query, Form form) {
  QueryPath path("deliveries");
  path.add("event_id", query.event).add("state", query.state);
  if (!query.destination.empty()) {
    auto id = find_id(api, "destinations", query.destination);
    if (!id) return std::unexpected(id.error());
    path.add("destination_id", *id);
  }
  return listed(api, path.text(), query.most, kDeliveryColumns, "No deliveries match.\n", form);
}

Outcome<std::string> show_delivery_command(ApiClient& api, const std::string& id, Form form) {
  return shown(api.get("deliveries/" + http::percent_encode(id)), form);
}

Outcome<std::string> retry_delivery_command(ApiClient& api, const std::string& id, Form form) {
  return shown(api.post(fmt::format("deliveries/{}/retry", http::percent_encode(id)), json::object()), form);
}

}  // namespace postern::control
