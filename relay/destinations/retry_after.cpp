#include "relay/destinations/retry_after.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto start = text.find_first_not_of(separators);
    if (start == std::string_view::npos) return parts;
    text.remove_prefix(start);
    const auto end = std::min(text.find_first_of(separators), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::optional<unsigned> number(std::string_view digits, unsigned most) {
  const auto value = parse_u64(digits);
  return value && *value <= most ? std::optional(static_cast<unsigned>(*value)) : std::nullopt;
}

std::optional<unsigned> month(std::string_view name) {
  const auto found = std::find(kMonths.begin(), kMonths.end(), name);
  if (found == kMonths.end()) return std::nullopt;
  return static_cast<unsigned>(found - kMonths.begin()) + 1;
}

std::optional<Duration> time_of_day(std::string_view text) {
  const auto parts = split(text, ":");
  if (parts.size() != 3 || text.size() != 8) return std::nullopt;
  const auto hour = number(parts[0], 23);
  const auto minute = number(parts[1], 59);
  const auto second = number(parts[2], 60);  // a leap second
  if (!hour || !minute || !second) return std::nullopt;
  return std::chrono::hours(*hour) + std::chrono::minutes(*minute) + std::chrono::seconds(*second);
}

/// RFC 9110: a two-digit year that appears more than 50 years in the future is the past one with those
/// digits.
unsigned full_year(unsigned two_digits, Time now) {
  const std::chrono::year_month_day today(std::chrono::floor<std::chrono::days>(now));
  const auto this_year = static_cast<unsigned>(static_cast<int>(today.year()));
  const unsigned candidate = this_year / 100 * 100 + two_digits;
  return candidate > this_year + 50 ? candidate - 100 : candidate;
}

struct DateWords {
  std::string_view day, month, year, time;
};

std::optional<Time> assemble(const DateWords& words, Time now) {
  const auto d = number(words.day, 31);
  const auto m = month(words.month);
  auto y = number(words.year, 9999);
  const auto clock = time_of_day(words.time);
  if (!d || !m || !y || !clock) return std::nullopt;
  if (words.year.size() == 2) y = full_year(*y, now);
  const std::chrono::year_month_day date(std::chrono::year(static_cast<int>(*y)), std::chrono::month(*m),
                                         std::chrono::day(*d));
  if (!date.ok()) return std::nullopt;
  return Time(std::chrono::sys_days(date)) + *clock;
}

}  // namespace

std::optional<Time> parse_http_date(std::string_view text, Time now) {
  const auto words = split(text, " ");
  if (words.size() == 6 && words[5] == "GMT" && words[3].size() == 4)  // Sun, 06 Nov 1994 08:49:37 GMT
    return assemble({words[1], words[2], words[3], words[4]}, now);
  if (words.size() == 5 && words[4].size() == 4)  // Sun Nov  6 08:49:37 1994
    return assemble({words[2], words[1], words[4], words[3]}, now);
  if (words.size() != 4 || words[3] != "GMT") return std::nullopt;
  const auto date = split(words[1], "-");  // Sunday, 06-Nov-94 08:49:37 GMT
  if (date.size() != 3 || date[2].size() != 2) return std::nullopt;
  return assemble({date[0], date[1], date[2], words[2]}, now);
}

std::optional<Duration> parse_retry_after(std::string_view value, Time now) {
  if (!value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos) {
    const auto seconds = parse_u64(value);
    const std::uint64_t most = std::chrono::duration_cast<std::chrono::seconds>(kMostRetryAfter).count();
    return std::chrono::seconds(static_cast<std::int64_t>(std::min(seconds.value_or(most), most)));
  }
  const auto date = parse_http_date(value, now);
  if (!date) return std::nullopt;
  return std::clamp<Duration>(*date - now, Duration::zero(), kMostRetryAfter);
}

std::optional<Duration> retry_after_of(const http::Headers& headers, Time now) {
  const std::string* value = http::find_header(headers, "retry-after");
  return value ? parse_retry_after(*value, now) : std::nullopt;
}

}  // namespace postern::relay
