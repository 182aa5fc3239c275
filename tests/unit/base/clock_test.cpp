#include "base/clock.hpp"

#include <gtest/gtest.h>

namespace postern {
namespace {

using namespace std::chrono_literals;

TEST(Rfc3339, RoundTripsAndReadsOffsets) {
  const auto t = from_rfc3339("2026-01-02T03:04:05.678Z");
  ASSERT_TRUE(t);
  EXPECT_EQ(to_rfc3339(*t), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(from_rfc3339("2026-01-02T05:04:05.678+02:00"), t);
}

TEST(Rfc3339, RefusesWhatIsNotADate) {
  for (const char* bad : {"", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z",
                          "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx"}) {
    EXPECT_FALSE(from_rfc3339(bad)) << bad;
  }
}

TEST(ParseDuration, ReadsUnitsAndRefusesTheRest) {
  EXPECT_EQ(parse_duration("250ms"), Duration(250ms));
  EXPECT_EQ(parse_duration("7d"), Duration(168h));
  EXPECT_EQ(parse_duration("0"), Duration(0));
  for (const char* bad : {"", "5", "-5s", "5 s", "5S", "1.5h", "99999999999999999999s", "40000d"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
  for (const char* text : {"90s", "250ms", "7d", "1us", "0"}) {
    EXPECT_EQ(parse_duration(format_duration(*parse_duration(text))), parse_duration(text));
  }
}

/// A wall that can be set, and a steady clock that cannot.
struct SettableClock final : Clock {
  Time now() const override { return wall; }
  SteadyTime steady() const override { return pace; }
  void pass(Duration time) {
    wall += time;
    pace += time;
  }
  Time wall = from_micros(1'700'000'000'000'000);
  SteadyTime pace = SteadyTime(Duration(5'000'000));
};

TEST(ForwardClock, FollowsTheWallForwardAndNeverBack) {
  using namespace std::chrono_literals;
  SettableClock wall;
  const ForwardClock clock(wall);
  EXPECT_EQ(clock.now(), wall.wall);
  wall.wall += 1h;
  EXPECT_EQ(clock.now(), wall.wall);
  const Time due = clock.now() + 5s;
  wall.wall -= 3h;
  EXPECT_EQ(clock.now(), due - 5s);
  wall.pass(5s);
  EXPECT_EQ(clock.now(), due) << "what was due in 5 s is due after 5 s";
  wall.wall += 4h;
  EXPECT_EQ(clock.now(), wall.wall) << "the wall has caught up";
}

}  // namespace
}  // namespace postern
