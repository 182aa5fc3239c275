#include "ingest_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

class IngestOverload : public Ingest {
 protected:
  /// What the head alone is answered; 0 when the body is read.
  int head(http::Request request) {
    request.body.clear();
    const auto decision = handler->on_head(request);
    const auto* const refused = std::get_if<http::Response>(&decision);
    if (refused != nullptr) last = *refused;
    return refused == nullptr ? 0 : refused->status;
  }
  int admitted(int times) {
    int count = 0;
    for (int i = 0; i < times; ++i) count += head(github("{}")) == 0;
    return count;
  }
  http::Response last;
};

TEST_F(IngestOverload, EventsAreRefusedLast) {
  shedding->set(LoadLevel::no_retries);
  EXPECT_EQ(admitted(1000), 1000);
  shedding->set(LoadLevel::no_events);
  EXPECT_EQ(head(github("{}")), 503);
  EXPECT_EQ(boost::json::parse(last.body).at("code"), "overloaded");
  EXPECT_EQ(requests("github", "overloaded"), 1);
  shedding->set(LoadLevel::calm);
  EXPECT_EQ(head(github("{}")), 0);
}

TEST_F(IngestOverload, SendersAreToldToComeBackAtDifferentTimes) {
  shedding->set(LoadLevel::no_events);
  std::set<std::string> times;
  for (int i = 0; i < 20; ++i) {
    head(github("{}"));
    times.insert(*http::find_header(last.headers, "Retry-After"));
  }
  EXPECT_EQ(times, (std::set<std::string>{"1", "2", "3", "4", "5"}));
}

TEST_F(IngestOverload, AWorkspaceKeepsAFloorUntilNothingIsTaken) {
  shedding->set(LoadLevel::few_events);
  EXPECT_EQ(admitted(1000), 200) << "at once";
  clock.advance(1s);
  EXPECT_EQ(admitted(1000), 100) << "and in each second";
  clock.advance(10s);
  shedding->set(LoadLevel::no_events);
  EXPECT_EQ(admitted(10), 0);
}

TEST_F(IngestOverload, WhatIsRefusedIsChargedNowhere) {
  options.limits.source = {1, 3};
  make_handler(2s);
  shedding->set(LoadLevel::no_events);
  EXPECT_EQ(admitted(10), 0);
  shedding->set(LoadLevel::calm);
  EXPECT_EQ(admitted(10), 3);
  EXPECT_EQ(last.status, 429);
}

TEST_F(IngestOverload, WhatHasBeenReadIsStored) {
  ASSERT_EQ(head(github("{}")), 0);
  shedding->set(LoadLevel::no_events);
  EXPECT_EQ(ask_whole(github("{}")).status, 202);
}

}  // namespace
}  // namespace postern::relay
