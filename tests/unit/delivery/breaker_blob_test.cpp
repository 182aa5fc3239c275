#include "relay/delivery/breaker_blob.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

const Time kNow{std::chrono::days(20'000)};

TEST(BreakerBlob, SaysAllThatNodesShare) {
  const BreakerSnapshot open{BreakerState::open, kNow, kNow + 30s, 3};
  EXPECT_EQ(to_blob(open), "1 open 1728000000000000 1728000030000000 3");
  const BreakerSnapshot reset{BreakerState::closed, kNow, Time{}, 0, true};
  EXPECT_EQ(to_blob(reset), "1 reset 1728000000000000 0 0");
  for (const auto& state :
       {open, BreakerSnapshot{BreakerState::half_open, kNow, Time{}, 1}, BreakerSnapshot{}, reset}) {
    EXPECT_EQ(breaker_from_blob(to_blob(state)), state);
  }
}

TEST(BreakerBlob, NothingElseIsUnderstood) {
  for (const std::string_view wrong :
       {"", " ", "1", "nonsense", "1 open 5 6", "1 open 5 6 7 8", "2 open 5 6 7", "1 ajar 5 6 7",
        "1 open -5 6 7", "1 open 5 6 07", "1 open 5 6 7 ", " 1 open 5 6 7", "1  open 5 6 7", "1 open 5 6 7\n",
        "1 open 5 +6 7", "1 open 9223372036854775808 6 7", "1 open 5 6 4294967296", "1 open 5 6 ",
        "1 OPEN 5 6 7"}) {
    EXPECT_EQ(breaker_from_blob(wrong), std::nullopt) << wrong;
  }
  EXPECT_TRUE(breaker_from_blob("1 open 9223372036854775807 0 4294967295"));
}

/// Whatever is understood is exactly what would be said.
TEST(BreakerBlob, ChangedBytesAreUnderstoodInOneWayOrNotAtAll) {
  SeededRandom random(7);
  const std::string good = to_blob({BreakerState::half_open, kNow, kNow + 1s, 12});
  std::size_t understood = 0;
  for (int round = 0; round < 100'000; ++round) {
    std::string blob = good;
    for (auto n = random.u64() % 4; n > 0; --n)
      blob[random.u64() % blob.size()] = static_cast<char>(random.u64());
    if (random.u64() % 8 == 0) blob.resize(random.u64() % blob.size());
    const auto found = breaker_from_blob(blob);
    understood += found.has_value();
    if (found) ASSERT_EQ(to_blob(*found), blob);
  }
  EXPECT_GT(understood, 20'000U);
}

TEST(BreakerBlob, WhoOnlyHeardOfItProbesALittleEarlier) {
  const BreakerSnapshot open{BreakerState::open, kNow, kNow + 8s, 1};
  EXPECT_EQ(probe_turn(open, 1), kNow + 6s);
  EXPECT_EQ(probe_turn(open, 0.5), kNow + 7s);
  EXPECT_EQ(probe_turn({BreakerState::open, kNow, kNow + 10min, 5}, 1), kNow + 595s);
  EXPECT_EQ(probe_turn({BreakerState::open, kNow, kNow - 10min, 5}, 1), kNow - 10min);
}

}  // namespace
}  // namespace postern::relay
