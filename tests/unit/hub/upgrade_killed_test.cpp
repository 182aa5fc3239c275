// Hand-overs that one of the two processes does not live to see.
#include "upgrade_world.hpp"

namespace postern::relay {
namespace {

using agent::HandoverType;

TEST_F(Upgrade, ASuccessorThatDiesAtOnceChangesNothing) {
  next([](int socket) { ::close(socket); });
  before_->give_place();
  wait_until([this] { return !before_->failed_upgrade().empty(); });
  EXPECT_EQ(ask(), "ok");
  upgrade();
  EXPECT_EQ(ask(), "ok");
}

TEST_F(Upgrade, WhatWasHeldForASuccessorThatDiesIsDelivered) {
  std::promise<void> held;
  next([&](int socket) {
    say(socket, HandoverType::ready);
    EXPECT_TRUE(hear(socket, HandoverType::handed));
    held.get_future().wait();
    ::close(socket);
  });
  app_.hold(true);
  auto before = ask_later();
  app_.wait_for_calls(1);
  before_->give_place();
  // The hand-over is a matter of two messages: what is asked for now comes before it, in it, or after it.
  std::vector<std::future<AgentAnswer>> answers;
  for (int i = 0; i < 5; ++i) answers.push_back(ask_later());
  held.set_value();
  app_.hold(false);
  EXPECT_EQ(before.get().body, "ok");
  for (auto& answer : answers) EXPECT_EQ(answer.get().body, "ok");
  wait_until([this] { return !before_->failed_upgrade().empty(); });
  EXPECT_EQ(app_.calls(), 6);
  EXPECT_EQ(ask(), "ok");
}

/// Its call is under way, and its line to the relay is gone.
TEST_F(Upgrade, WhatASuccessorDoesNotLiveToWriteIsInTheJournal) {
  std::promise<void> handed, line_is_gone, dies;
  next([&](int socket) {
    say(socket, HandoverType::ready);
    EXPECT_TRUE(hear(socket, HandoverType::handed));
    handed.set_value();
    line_is_gone.get_future().wait();
    say(socket, HandoverType::taken);
    dies.get_future().wait();
    ::close(socket);
  });
  app_.hold(true);
  auto lost = ask_later();
  app_.wait_for_calls(1);
  before_->give_place();
  handed.get_future().wait();
  hub_->disconnect(who_.agent_id, "test");
  EXPECT_NE(lost.get().body, "ok");
  line_is_gone.set_value();
  wait_until([this] { return before_->is_gone(); });
  dies.set_value();
  wait_until([this] { return !before_->failed_upgrade().empty(); });
  app_.hold(false);
  EXPECT_EQ(before_->exit_status(), agent::kExitBrokenOff);
  before_.reset();
  EXPECT_EQ(journalled(), 1U);
}

TEST_F(Upgrade, WhoIsStoppedBeforeItsSuccessorHasTakenOverKeepsTheJournal) {
  std::promise<void> handed, ended;
  next([&](int socket) {
    say(socket, HandoverType::ready);
    EXPECT_TRUE(hear(socket, HandoverType::handed));
    handed.set_value();
    EXPECT_TRUE(hear(socket, HandoverType::outcome));
    ended.set_value();
  });
  app_.hold(true);
  auto lost = ask_later();
  app_.wait_for_calls(1);
  before_->give_place();
  handed.get_future().wait();
  hub_->disconnect(who_.agent_id, "test");
  EXPECT_NE(lost.get().body, "ok");
  app_.hold(false);
  ended.get_future().wait();
  before_->abandon();
  before_.reset();
  EXPECT_EQ(journalled(), 1U);
}

TEST_F(Upgrade, ASuccessorThatIsToldToStopTakesNothing) {
  const int socket = precede();
  after_->drain();
  say(socket, HandoverType::handed);
  const auto heard = heard_until(socket, HandoverType::trouble);
  EXPECT_FALSE(heard.empty());
  for (const auto& frame : heard) EXPECT_NE(frame.type, HandoverType::taken);
  ::close(socket);
  EXPECT_TRUE(after_->has_ended());
  EXPECT_FALSE(after_->serves());
}

/// A wrapper around the program dies when it is killed, and the program itself does not.
TEST_F(Upgrade, ASuccessorThatLivesThoughItIsNotWantedTakesNothing) {
  const int socket = precede();
  say(socket, HandoverType::withdrawn);
  ::close(socket);
  EXPECT_TRUE(after_->has_ended());
  EXPECT_FALSE(after_->serves());
}

}  // namespace
}  // namespace postern::relay
