#include "relay/providers/timestamp.hpp"

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

/// The year 9999: further than any clock and far from overflow in microseconds.
constexpr std::uint64_t kSecondsMax = 253'402'300'799;

std::optional<Time> from_count(std::string_view digits, std::int64_t micros_each) {
  const auto count = parse_u64(digits);
  const std::uint64_t per_second = 1'000'000 / static_cast<std::uint64_t>(micros_each);
  if (!count || *count / per_second > kSecondsMax) return std::nullopt;
  return from_micros(static_cast<std::int64_t>(*count) * micros_each);
}

}  // namespace

std::optional<Time> parse_timestamp(TimestampFormat format, std::string_view text) {
  switch (format) {
    case TimestampFormat::seconds:
      return from_count(text, 1'000'000);
    case TimestampFormat::milliseconds:
      return from_count(text, 1'000);
    case TimestampFormat::rfc3339:
      return from_rfc3339(text);
  }
  return std::nullopt;
}

std::optional<std::int64_t> excess_skew(const Scheme& scheme, Time signed_at, Time received_at) {
  if (scheme.timestamp_format == TimestampFormat::seconds) {
    received_at = std::chrono::floor<std::chrono::seconds>(received_at);
  }
  const Duration skew = received_at - signed_at;
  if (std::chrono::abs(skew) <= scheme.tolerance) return std::nullopt;
  const std::int64_t away = skew > Duration::zero() ? 999'999 : -999'999;
  return (skew.count() + away) / 1'000'000;
}

}  // namespace postern::relay
