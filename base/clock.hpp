#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace postern {

using Duration = std::chrono::microseconds;
/// Wall time: for people, signatures and the store. Never for time-outs.
using Time = std::chrono::sys_time<Duration>;
/// Monotonic time: for deadlines and schedules inside one process.
using SteadyTime = std::chrono::time_point<std::chrono::steady_clock, Duration>;

/// Where time comes from. Passed in, so that policy is tested without sleeping. Safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Time now() const = 0;
  virtual SteadyTime steady() const = 0;
};

class SystemClock final : public Clock {
 public:
  Time now() const override;
  SteadyTime steady() const override;
};

/// Wall time for schedules that are kept in the store: it follows the wall forward, but never back. When the
/// wall is set back it goes on at the steady clock's pace, ahead of it, until the process ends or the wall
/// has caught up; otherwise what was due at once would wait for as long as the step. Both times of `wall` are
/// read.
class ForwardClock final : public Clock {
 public:
  /// `wall` outlives it.
  explicit ForwardClock(const Clock& wall);
  Time now() const override;
  SteadyTime steady() const override { return wall_.steady(); }

 private:
  const Clock& wall_;
  mutable std::atomic<std::int64_t> ahead_{
      INT64_MIN};  ///< the furthest the wall was ever ahead of steady time
};

/// A clock that stands still until it is told to move. Both times move together.
class ManualClock final : public Clock {
 public:
  explicit ManualClock(Time start = Time(std::chrono::seconds(1'700'000'000)))
      : now_(start.time_since_epoch().count()) {}
  Time now() const override { return Time(Duration(now_.load())); }
  SteadyTime steady() const override { return SteadyTime(Duration(now_.load())); }
  void advance(Duration by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_;
};

inline std::int64_t to_micros(Time t) {
  return t.time_since_epoch().count();
}
inline Time from_micros(std::int64_t us) {
  return Time(Duration(us));
}
inline std::int64_t to_unix_seconds(Time t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

/// RFC 3339 in UTC with milliseconds: 2026-01-02T03:04:05.678Z
std::string to_rfc3339(Time t);
/// RFC 3339 with any offset and up to nine fraction digits; nullopt when malformed.
std::optional<Time> from_rfc3339(std::string_view text);

/// "250ms", "30s", "5m", "2h", "7d", "0". nullopt when malformed, negative or over 100 years.
std::optional<Duration> parse_duration(std::string_view text);
/// The shortest exact form parse_duration reads back.
std::string format_duration(Duration d);

}  // namespace postern
