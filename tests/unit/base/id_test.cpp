#include "base/id.hpp"

#include <gtest/gtest.h>

namespace postern {
namespace {

TEST(Id, TextAndBytesRoundTrip) {
  ManualClock clock;
  SeededRandom random(1);
  IdGenerator ids(clock, random);
  const auto id = ids.of<EventId>();
  EXPECT_EQ(EventId::parse(id.to_string()), id);
  EXPECT_EQ(EventId::from_bytes(id.bytes()), id);
  EXPECT_EQ(id.time(), clock.now());
  EXPECT_EQ(id.to_string().size(), 30U);
}

TEST(Id, GrowsEvenWithinAMillisecondAndWhenTheClockStepsBack) {
  ManualClock clock;
  SeededRandom random(1);
  IdGenerator ids(clock, random);
  auto last = ids.of<EventId>();
  for (int i = 0; i < 10'000; ++i) {
    if (i == 5'000) clock.advance(std::chrono::seconds(-60));
    const auto next = ids.of<EventId>();
    ASSERT_LT(last, next);
    ASSERT_LT(last.to_string(), next.to_string());
    last = next;
  }
}

TEST(Id, RefusesOtherPrefixesAndMalformedText) {
  const std::string good = EventId{}.to_string();
  EXPECT_TRUE(EventId::parse(good));
  EXPECT_FALSE(DeliveryId::parse(good));
  for (std::string bad : {std::string(""), std::string("evt_"), good + "0", good.substr(0, 29),
                          "evt_8" + good.substr(5), "evt_" + std::string(26, 'i'), "EVT_" + good.substr(4)}) {
    EXPECT_FALSE(EventId::parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace postern
