#include "base/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace postern {
namespace {

namespace chr = std::chrono;

struct Unit {
  std::string_view name;
  std::int64_t micros;
};
// Longest first, so that format_duration finds the largest unit that divides.
constexpr std::array<Unit, 6> kUnits = {{{"d", 86'400'000'000},
                                         {"h", 3'600'000'000},
                                         {"m", 60'000'000},
                                         {"s", 1'000'000},
                                         {"ms", 1'000},
                                         {"us", 1}}};
constexpr std::uint64_t kLongest = 100ULL * 366 * 86'400'000'000;

/// Reads exactly `width` digits at `at` and moves past them; -1 when they are not there.
int take_digits(std::string_view text, std::size_t& at, std::size_t width) {
  if (at + width > text.size()) return -1;
  const auto value = parse_u64(text.substr(at, width));
  at += width;
  return value ? static_cast<int>(*value) : -1;
}

bool take_char(std::string_view text, std::size_t& at, std::string_view allowed) {
  if (at >= text.size() || allowed.find(text[at]) == std::string_view::npos) return false;
  ++at;
  return true;
}

/// Fraction digits after the dot, as microseconds; further digits are cut off.
std::optional<std::int64_t> take_fraction(std::string_view text, std::size_t& at) {
  if (at >= text.size() || text[at] != '.') return 0;
  const std::size_t start = ++at;
  std::int64_t micros = 0;
  while (at < text.size() && text[at] >= '0' && text[at] <= '9') {
    if (at - start < 6) micros = micros * 10 + (text[at] - '0');
    ++at;
  }
  const std::size_t count = at - start;
  if (count == 0 || count > 9) return std::nullopt;
  for (std::size_t i = count; i < 6; ++i) micros *= 10;
  return micros;
}

std::optional<chr::minutes> take_offset(std::string_view text, std::size_t& at) {
  if (take_char(text, at, "Zz")) return chr::minutes(0);
  if (at >= text.size()) return std::nullopt;
  const int sign = text[at] == '-' ? -1 : 1;
  if (!take_char(text, at, "+-")) return std::nullopt;
  const int hours = take_digits(text, at, 2);
  if (!take_char(text, at, ":")) return std::nullopt;
  const int minutes = take_digits(text, at, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return std::nullopt;
  return chr::minutes(sign * (hours * 60 + minutes));
}

}  // namespace

Time SystemClock::now() const {
  return chr::floor<Duration>(chr::system_clock::now());
}
SteadyTime SystemClock::steady() const {
  return chr::floor<Duration>(chr::steady_clock::now());
}

ForwardClock::ForwardClock(const Clock& wall) : wall_(wall) {
  now();
}

/// The wall is read first: a pause between the two readings must not look like a step forward.
Time ForwardClock::now() const {
  const std::int64_t wall = to_micros(wall_.now());
  const std::int64_t steady = wall_.steady().time_since_epoch().count();
  const std::int64_t ahead = wall - steady;
  std::int64_t most = ahead_.load(std::memory_order_relaxed);
  while (ahead > most && !ahead_.compare_exchange_weak(most, ahead, std::memory_order_relaxed)) {
  }
  return from_micros(steady + std::max(ahead, most));
}

std::string to_rfc3339(Time t) {
  const auto day = chr::floor<chr::days>(t);
  const chr::year_month_day date(day);
  const chr::hh_mm_ss time(chr::floor<chr::milliseconds>(t - day));
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", int(date.year()), unsigned(date.month()),
                     unsigned(date.day()), time.hours().count(), time.minutes().count(),
                     time.seconds().count(), time.subseconds().count());
}

std::optional<Time> from_rfc3339(std::string_view text) {
  std::size_t at = 0;
  const int year = take_digits(text, at, 4);
  if (!take_char(text, at, "-")) return std::nullopt;
  const int month = take_digits(text, at, 2);
  if (!take_char(text, at, "-")) return std::nullopt;
  const int day = take_digits(text, at, 2);
  if (!take_char(text, at, "Tt ")) return std::nullopt;
  const int hour = take_digits(text, at, 2);
  if (!take_char(text, at, ":")) return std::nullopt;
  const int minute = take_digits(text, at, 2);
  if (!take_char(text, at, ":")) return std::nullopt;
  const int second = take_digits(text, at, 2);
  const auto fraction = take_fraction(text, at);
  const auto offset = take_offset(text, at);
  if (!fraction || !offset || at != text.size()) return std::nullopt;
  if (year < 0 || month < 1 || day < 1 || hour < 0 || hour > 23 || minute < 0 || minute > 59)
    return std::nullopt;
  if (second < 0 || second > 60) return std::nullopt;
  const chr::year_month_day date{chr::year(year), chr::month(unsigned(month)), chr::day(unsigned(day))};
  if (!date.ok()) return std::nullopt;
  const Time local = chr::sys_days(date) + chr::hours(hour) + chr::minutes(minute) + chr::seconds(second);
  return local + Duration(*fraction) - *offset;
}

std::optional<Duration> parse_duration(std::string_view text) {
  if (text == "0") return Duration(0);
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
  const auto value = parse_u64(text.substr(0, digits));
  if (!value) return std::nullopt;
  for (const Unit& unit : kUnits) {
    if (text.substr(digits) != unit.name) continue;
    const auto micros = static_cast<std::uint64_t>(unit.micros);
    if (*value > kLongest / micros) return std::nullopt;
    return Duration(static_cast<std::int64_t>(*value * micros));
  }
  return std::nullopt;
}

std::string format_duration(Duration d) {
  if (d.count() == 0) return "0";
  for (const Unit& unit : kUnits) {
    if (d.count() % unit.micros == 0) return fmt::format("{}{}", d.count() / unit.micros, unit.name);
  }
  return fmt::format("{}us", d.count());
}

}  // namespace postern
