#include "relay/tunnel/app_health_book.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

const AgentId kAgent{Uuid{1}};
const std::vector<tunnel::AppHealth> kGone = {{"localhost", 8000, false, "connect_failed"},
                                              {"localhost", 9000, true, ""}};

class HealthBook : public testing::Test {
 protected:
  ManualClock clock_;
  AppHealthBook book_{clock_};
};

TEST_F(HealthBook, KnowsWhatTheAgentSaid) {
  EXPECT_EQ(book_.away(kAgent, "localhost", 8000), std::nullopt);
  EXPECT_TRUE(book_.told(kAgent, kGone));
  EXPECT_EQ(book_.away(kAgent, "LocalHost", 8000), "connect_failed");
  EXPECT_EQ(book_.away(kAgent, "localhost", 9000), std::nullopt);
  EXPECT_EQ(book_.away(kAgent, "localhost", 8001), std::nullopt);
  EXPECT_EQ(book_.away(AgentId{Uuid{2}}, "localhost", 8000), std::nullopt);
  EXPECT_EQ(book_.apps(kAgent), kGone);
}

TEST_F(HealthBook, TheNewestWordIsTheWholeOfIt) {
  book_.told(kAgent, kGone);
  EXPECT_FALSE(book_.told(kAgent, kGone)) << "no news";
  EXPECT_TRUE(book_.told(kAgent, {}));
  EXPECT_EQ(book_.away(kAgent, "localhost", 8000), std::nullopt);
}

TEST_F(HealthBook, AWordThatIsNotRepeatedLapses) {
  book_.told(kAgent, kGone);
  clock_.advance(AppHealthBook::kHolds - Duration(1));
  EXPECT_TRUE(book_.away(kAgent, "localhost", 8000));
  clock_.advance(Duration(1));
  EXPECT_FALSE(book_.away(kAgent, "localhost", 8000));
  EXPECT_TRUE(book_.told(kAgent, kGone)) << "news again";
}

TEST_F(HealthBook, ANewSessionKnowsNothing) {
  book_.told(kAgent, kGone);
  book_.forget(kAgent);
  EXPECT_FALSE(book_.away(kAgent, "localhost", 8000));
}

}  // namespace
}  // namespace postern::relay
