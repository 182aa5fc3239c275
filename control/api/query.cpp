#include "control/api/query.hpp"

#include "base/bytes.hpp"
#include "base/http/message.hpp"

namespace postern::control {
namespace {

std::vector<std::string> names_of(std::string_view query) {
  std::vector<std::string> names;
  while (!query.empty()) {
    const auto end = std::min(query.find('&'), query.size());
    const auto pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    const auto name = pair.substr(0, pair.find('='));
    names.push_back(http::percent_decode(name).value_or(std::string(name)));
  }
  return names;
}

}  // namespace

std::optional<std::string> Query::text(std::string_view name) {
  asked_.emplace_back(name);
  auto values = http::query_values(query_, name);
  if (values.size() > 1) wrong(name, "is given more than once.");
  const std::vector<std::string> given = names_of(query_);
  if (std::cmp_less(values.size(), std::ranges::count(given, name))) wrong(name, "is badly escaped.");
  if (values.empty() || values.front().empty()) return std::nullopt;
  return std::move(values.front());
}

std::optional<Time> Query::time(std::string_view name) {
  const auto written = text(name);
  if (!written) return std::nullopt;
  const auto parsed = from_rfc3339(*written);
  if (!parsed) wrong(name, "is not a time such as 2026-01-02T03:04:05Z.");
  return parsed;
}

relay::Page Query::page_of_events() {
  return page_where([](std::string_view cursor) {
    const auto comma = cursor.find(',');
    return comma != cursor.npos && parse_u64(cursor.substr(0, comma)) && parse_u64(cursor.substr(comma + 1));
  });
}

relay::Page Query::page_where(bool (*is_cursor)(std::string_view)) {
  relay::Page page;
  if (const auto limit = text("limit")) {
    const auto number = parse_u64(*limit);
    if (!number || *number < 1 || *number > 500) wrong("limit", "must be 1 to 500.");
    page.limit = static_cast<std::size_t>(number.value_or(1));
  }
  page.cursor = text("cursor").value_or("");
  if (!page.cursor.empty() && !is_cursor(page.cursor))
    wrong("cursor", "is not a next_cursor of this listing.");
  return page;
}

void Query::wrong(std::string_view name, std::string message) {
  errors_.push_back({std::string(name), std::move(message)});
}

std::optional<Problem> Query::finish() {
  for (const std::string& name : names_of(query_)) {
    if (std::ranges::find(asked_, name) == asked_.end()) wrong(name, "is not a parameter of this listing.");
  }
  if (errors_.empty()) return std::nullopt;
  Problem problem = invalid_fields(std::move(errors_));
  problem.status = 400;
  problem.code = "invalid_parameters";
  return problem;
}

}  // namespace postern::control
