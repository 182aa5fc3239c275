#include "relay/overload/loop_turn.hpp"

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <thread>

#include "relay/overload/loop_lag.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

TEST(LoopTurnTest, LastsFromTheQuestionToTheAnswer) {
  LoopTurn turn;
  const SteadyTime start{1h};
  EXPECT_EQ(turn.longest(start), 0ms);
  turn.begin(start);
  EXPECT_TRUE(turn.is_under_way());
  EXPECT_EQ(turn.lasts(start + 300ms), 300ms);
  turn.end(start + 400ms);
  EXPECT_FALSE(turn.is_under_way());
  EXPECT_EQ(turn.lasts(start + 500ms), 0ms);
  EXPECT_EQ(turn.last(), 400ms);
}

TEST(LoopTurnTest, TheLastOneCountsUntilThePresentOneIsLonger) {
  LoopTurn turn;
  const SteadyTime start{1h};
  turn.begin(start);
  turn.end(start + 400ms);
  turn.begin(start + 400ms);
  EXPECT_EQ(turn.longest(start + 500ms), 400ms);
  EXPECT_EQ(turn.longest(start + 900ms), 500ms);
  turn.end(start + 901ms);
  EXPECT_EQ(turn.longest(start + 902ms), 501ms);
}

TEST(LoopTurnTest, AQuestionThatCouldNotBeAskedIsNoTurn) {
  LoopTurn turn;
  turn.begin(SteadyTime{1h});
  turn.forget();
  EXPECT_EQ(turn.longest(SteadyTime{2h}), 0ms);
}

TEST(LoopTurnTest, AThreadKnowsItsOwnLoopsTurn) {
  boost::asio::io_context loop(1);
  boost::asio::io_context* loops[] = {&loop};
  LoopLag lag(loops);
  EXPECT_EQ(LoopTurn::here(), nullptr) << "it has not run yet";
  lag.look();
  loop.poll_one();
  ASSERT_NE(LoopTurn::here(), nullptr);
  EXPECT_TRUE(LoopTurn::here()->is_under_way());
  std::thread([] { EXPECT_EQ(LoopTurn::here(), nullptr); }).join();
  while (LoopTurn::here()->is_under_way()) loop.run_one();
  lag.close();
  loop.run();
  EXPECT_EQ(LoopTurn::here(), nullptr) << "nobody asks any more";
}

}  // namespace
}  // namespace postern::relay
