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
  int accepted(int times, const std::string& body = "{}", std::string_view secret = kSecret) {
    int count = 0;
    for (int i = 0; i < times; ++i)
      count += (last = ask(github(body, std::to_string(++sent), secret))).status == 202;
    return count;
  }
  http::Response last;
  int sent = 0;
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
  EXPECT_EQ(accepted(1000), 200) << "at once";
  EXPECT_EQ(admitted(1), 0) << "refused at its head";
  clock.advance(1s);
  EXPECT_EQ(accepted(1000), 100) << "and in each second";
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

TEST_F(IngestOverload, TheFloorIsForWhatThereIsToStore) {
  shedding->set(LoadLevel::few_events);
  const std::string large(10 << 20, 'x');  // 641 turns
  EXPECT_EQ(accepted(24, large), 1) << "has a turn left, and owes the others";
  clock.advance(4400ms);
  EXPECT_EQ(accepted(1), 0);
  clock.advance(100ms);
  EXPECT_EQ(accepted(1000), 9);
}

TEST_F(IngestOverload, LargeOnesThatCameTogetherAreRefusedWithTheirBodies) {
  options.limits.source = {1, 10};
  make_handler(2s);
  shedding->set(LoadLevel::few_events);
  EXPECT_EQ(admitted(3), 3);
  const std::string large(10 << 20, 'x');
  int stored = 0;
  for (int i = 0; i < 3; ++i) stored += ask_whole(github(large, std::to_string(i))).status == 202;
  EXPECT_EQ(stored, 1);
  EXPECT_EQ(requests("github", "overloaded"), 2);
  shedding->set(LoadLevel::calm);
  EXPECT_EQ(admitted(100), 9) << "the two were charged nowhere";
}

TEST_F(IngestOverload, ForgedRequestsLeaveTheFloorToHonestSenders) {
  shedding->set(LoadLevel::few_events);
  EXPECT_EQ(accepted(1000, std::string(20'000, 'x'), "wrong"), 0);
  EXPECT_EQ(accepted(1000), 200);
}

/// A loop that is at a long turn, and a load that has been there for a while.
class IngestLateTurn : public IngestOverload {
 protected:
  IngestLateTurn() {
    options.turn_most = 250ms;
    make_handler(2s);
    shedding->set(LoadLevel::no_retries);
    LoopTurn::follow(turn);
    turn->begin(clock.steady());
  }
  ~IngestLateTurn() override { LoopTurn::follow(nullptr); }

  int taken_in(int times) {
    int count = 0;
    for (int i = 0; i < times; ++i) count += !handler->turns_away();
    return count;
  }

  std::shared_ptr<LoopTurn> turn = std::make_shared<LoopTurn>();
};

TEST_F(IngestLateTurn, TakesEventsForSoLongAndRefusesTheRestOfTheTurn) {
  EXPECT_EQ(accepted(1000), 1000);
  clock.advance(251ms);
  EXPECT_EQ(accepted(1000), 200) << "the floor stays";
  EXPECT_EQ(boost::json::parse(last.body).at("code"), "overloaded");
  turn->end(clock.steady());
  EXPECT_EQ(accepted(1000), 1000) << "in each turn some are taken, however long the last one was";
}

TEST_F(IngestLateTurn, WhoIsRefusedIsClosed) {
  clock.advance(251ms);
  accepted(1000);
  EXPECT_TRUE(last.close);
  turn->end(clock.steady());
  shedding->set(LoadLevel::no_events);
  accepted(1);
  EXPECT_FALSE(last.close) << "the loop keeps up, and a new connection would cost more";
}

TEST_F(IngestLateTurn, WhatHasBeenReadIsStored) {
  clock.advance(251ms);
  accepted(1000);
  EXPECT_EQ(ask_whole(github("{}", "read before")).status, 202);
}

TEST_F(IngestLateTurn, WhoConnectsIsTurnedAwayUntilATurnIsShort) {
  EXPECT_EQ(taken_in(100), 100);
  clock.advance(251ms);
  EXPECT_EQ(taken_in(100), 0);
  turn->end(clock.steady());
  EXPECT_EQ(taken_in(100), 0) << "those who wait have waited for that turn";
  turn->begin(clock.steady());
  turn->end(clock.steady() + 1ms);
  EXPECT_EQ(taken_in(100), 100);
}

TEST_F(IngestLateTurn, AFewANearlyLateTurnAreTakenIn) {
  clock.advance(126ms);
  EXPECT_EQ(taken_in(100), 32);
  turn->end(clock.steady());
  EXPECT_EQ(taken_in(100), 32) << "it counts until the next is longer";
  turn->begin(clock.steady());
  EXPECT_EQ(taken_in(100), 0) << "still the same one";
  turn->end(clock.steady() + 126ms);
  EXPECT_EQ(taken_in(100), 32);
}

TEST_F(IngestLateTurn, RetriesAreGivenUpBefore) {
  shedding->set(LoadLevel::no_replays);
  clock.advance(1h);
  EXPECT_EQ(taken_in(100), 100);
  EXPECT_EQ(accepted(1000), 1000) << "a loop that stood still once is no load";
}

TEST_F(IngestLateTurn, CanBeSwitchedOff) {
  options.turn_most = 0ms;
  make_handler(2s);
  shedding->set(LoadLevel::no_retries);
  clock.advance(1h);
  EXPECT_EQ(taken_in(100), 100);
  EXPECT_EQ(accepted(1000), 1000);
}

}  // namespace
}  // namespace postern::relay
