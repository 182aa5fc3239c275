#include "control/cli/replay_actions.hpp"

#include "base/http/message.hpp"
#include "control/cli/render.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

constexpr Column kReplayColumns[] = {
    {"CREATED", "created_at"},  {"STATE", "state"},   {"OF", "estimate"}, {"MADE", "made"},
    {"DELIVERED", "delivered"}, {"FAILED", "failed"}, {"OPEN", "open"},   {"ID", "id"}};
constexpr Column kSampleColumns[] = {{"CREATED", "created_at"},
                                     {"REASON", "reason"},
                                     {"DESTINATION", "destination_id"},
                                     {"EVENT", "event_id"},
                                     {"ID", "id"}};

Outcome<json::object> body_of(ApiClient& api, const ReplayWish& wish) {
  json::object body;
  if (!wish.source.empty()) {
    auto id = find_id(api, "sources", wish.source);
    if (!id) return std::unexpected(id.error());
    body["source_id"] = *id;
  }
  if (!wish.destination.empty()) {
    auto id = find_id(api, "destinations", wish.destination);
    if (!id) return std::unexpected(id.error());
    body["destination_id"] = *id;
  }
  const std::pair<const char*, const std::string&> texts[] = {
      {"type", wish.type},   {"reason", wish.reason}, {"state", wish.state},
      {"since", wish.since}, {"until", wish.until},   {"configuration", wish.configuration}};
  for (const auto& [name, text] : texts) {
    if (!text.empty()) body[name] = text;
  }
  if (wish.rate > 0) body["rate"] = wish.rate;
  if (wish.dry_run) body["dry_run"] = true;
  return body;
}

std::int64_t number(const json::object& object, std::string_view name) {
  return object.at(name).to_number<std::int64_t>();
}

std::string dry_text(const json::object& answer) {
  const auto matching = number(answer, "matching");
  const auto rate = std::max<std::int64_t>(1, number(answer, "rate"));
  if (matching == 0) return "Nothing matches: a replay would make no delivery.\n";
  std::string out = fmt::format("{}{} deliveries match; at {} a second that takes {}.\n",
                                answer.at("matching_is_least").as_bool() ? "At least " : "", matching, rate,
                                format_duration(std::chrono::seconds((matching + rate - 1) / rate)));
  out += "\nThe oldest of them:\n" + format_table(kSampleColumns, answer.at("sample").as_array());
  return out + "\nNothing was made. The same command without --dry-run begins.\n";
}

std::string begun_text(const json::object& replay) {
  const std::string id = format_cell(replay.at("id"));
  return fmt::format(
      "{} runs: {}{} deliveries at {} a second.\n\n  postern replays watch {}\n  postern replays cancel {}\n",
      id, replay.at("estimate_is_least").as_bool() ? "at least " : "", number(replay, "estimate"),
      number(replay, "rate"), id, id);
}

std::string bar_of(std::int64_t part, std::int64_t whole) {
  constexpr std::int64_t kWidth = 24;
  const std::int64_t full = whole == 0 ? kWidth : std::clamp<std::int64_t>(part * kWidth / whole, 0, kWidth);
  return std::string(static_cast<std::size_t>(full), '#') +
         std::string(static_cast<std::size_t>(kWidth - full), '.');
}

/// An older relay does not say.
bool held_back(const json::object& replay) {
  const json::value* held = replay.if_contains("held_back");
  return held != nullptr && held->is_bool() && held->as_bool();
}

std::string left_out(const json::object& replay) {
  std::string out;
  const json::value* skipped = replay.if_contains("skipped");
  if (skipped == nullptr) return out;
  for (const auto& [why, count] : skipped->as_object()) {
    if (count.to_number<std::int64_t>() == 0) continue;
    std::string words(why);
    std::ranges::replace(words, '_', ' ');
    out += fmt::format(", {} left out ({})", count.to_number<std::int64_t>(), words);
  }
  return out;
}

/// An older relay does not say what it waits for.
std::string standing(const json::object& replay) {
  if (held_back(replay)) return "held back: the relay is overloaded";
  const json::value* waits = replay.if_contains("waiting_for");
  if (waits == nullptr || waits->is_null()) return format_cell(replay.at("state"));
  if (waits->as_string() == "programs_suspended") return "waits: a program went over its limits too often";
  return "waits: the programs are busy";
}

/// What programs settled is not found under the original configuration, which is easily forgotten.
std::string configuration_hint(const ReplayWish& wish) {
  const bool of_programs = wish.reason.starts_with("filter") || wish.reason.starts_with("transform_failed");
  if (!of_programs || wish.configuration == "current") return {};
  return "\nA route's program settled these, so there are no bytes to send again: add --configuration "
         "current to "
         "run the routes as they are now.\n";
}

}  // namespace

Outcome<std::string> create_replay_command(ApiClient& api, const ReplayWish& wish, Form form) {
  auto body = body_of(api, wish);
  if (!body) return std::unexpected(body.error());
  auto answer = api.post("replays", *body);
  if (!answer) return std::unexpected(answer.error());
  if (form == Form::json) return raw(*answer);
  const json::object& shown = answer->as_object();
  return (wish.dry_run ? dry_text(shown) : begun_text(shown)) + configuration_hint(wish);
}

Outcome<std::string> list_replays_command(ApiClient& api, std::size_t most, Form form) {
  auto items = all_items(api, "replays", most);
  if (!items) return std::unexpected(items.error());
  if (form == Form::json) return raw(json::object{{"items", *items}});
  if (!items->empty()) return format_table(kReplayColumns, *items);
  return "There was no replay yet. postern replays create --dry-run shows what one would do.\n";
}

Outcome<std::string> show_replay_command(ApiClient& api, const std::string& id, Form form) {
  auto answer = api.get("replays/" + http::percent_encode(id));
  if (!answer) return std::unexpected(answer.error());
  if (form == Form::json) return raw(*answer);
  return progress_line(answer->as_object()) + "\n\n" + format_object(answer->as_object());
}

Outcome<std::string> cancel_replay_command(ApiClient& api, const std::string& id, Form form) {
  auto answer = api.post(fmt::format("replays/{}/cancel", http::percent_encode(id)), json::object());
  if (!answer) return std::unexpected(answer.error());
  if (form == Form::json) return raw(*answer);
  return "cancelled; what had begun ends by itself\n" + progress_line(answer->as_object()) + "\n";
}

std::string progress_line(const json::object& replay) {
  const auto ended = number(replay, "delivered") + number(replay, "failed");
  const auto made = number(replay, "made");
  const auto whole = std::max(number(replay, "estimate"), made);
  return fmt::format("[{}] {}{} of {} made, {} delivered, {} failed, {} under way{}  {}",
                     bar_of(ended, whole), made, replay.at("estimate_is_least").as_bool() ? "+" : "", whole,
                     number(replay, "delivered"), number(replay, "failed"), number(replay, "open"),
                     left_out(replay), standing(replay));
}

bool is_over(const json::object& replay) {
  return replay.at("state").as_string() != "running";
}

Outcome<std::string> ReplayWatch::next() {
  auto answer = api_.get("replays/" + http::percent_encode(id_));
  if (!answer) return std::unexpected(answer.error());
  const json::object& replay = answer->as_object();
  over_ = is_over(replay);
  std::string line = form_ == Form::json ? raw(*answer) : progress_line(replay) + "\n";
  if (line == last_) return std::string();
  last_ = line;
  return line;
}

}  // namespace postern::control
