#include "relay/destinations/slack_pacer.hpp"

#include <gtest/gtest.h>

#include <queue>

#include "relay/destinations/slack_answer.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
using Slot = SlackPacer::Slot;
using ComeBack = SlackPacer::ComeBack;

const SteadyTime kStart(1000s);

Duration wait_of(const std::variant<Slot, ComeBack>& turn) {
  return std::get<Slot>(turn).wait;
}

TEST(SlackPacer, GivesOneSlotASecondForEachUrl) {
  SlackPacer pacer;
  EXPECT_EQ(wait_of(pacer.reserve("a", kStart, 10s)), 0s);
  EXPECT_EQ(wait_of(pacer.reserve("a", kStart, 10s)), 1s);
  EXPECT_EQ(wait_of(pacer.reserve("a", kStart + 500ms, 10s)), 1500ms);
  EXPECT_EQ(wait_of(pacer.reserve("b", kStart, 10s)), 0s);
  EXPECT_EQ(wait_of(pacer.reserve("a", kStart + 1min, 10s)), 0s);
}

TEST(SlackPacer, AHoldStopsAllSlotsOfTheUrl) {
  SlackPacer pacer;
  pacer.hold("a", kStart, 30s);
  EXPECT_EQ(pacer.held("a", kStart + 10s), 20s);
  EXPECT_EQ(pacer.held("a", kStart + 31s), 0s);
  EXPECT_EQ(pacer.held("b", kStart), 0s);
  EXPECT_TRUE(std::holds_alternative<ComeBack>(pacer.reserve("a", kStart, 10s)));
  EXPECT_EQ(wait_of(pacer.reserve("a", kStart + 25s, 10s)), 5s);
}

/// Plays a backlog against virtual time, as the dispatcher would: who is told to come back does.
TEST(SlackPacer, ABacklogDrainsAtOneASecondWithFewRefusals) {
  SlackPacer pacer;
  const auto later = [](SteadyTime a, SteadyTime b) { return a > b; };
  std::priority_queue<SteadyTime, std::vector<SteadyTime>, decltype(later)> due(later);
  constexpr int kMessages = 500;
  for (int i = 0; i < kMessages; ++i) due.push(kStart);
  std::vector<SteadyTime> sent;
  int refusals = 0;
  while (!due.empty()) {
    const SteadyTime now = due.top();
    due.pop();
    const auto turn = pacer.reserve("a", now, 10s);
    if (const auto* slot = std::get_if<Slot>(&turn))
      sent.push_back(now + slot->wait);
    else
      ++refusals, due.push(now + std::get<ComeBack>(turn).after);
  }
  std::sort(sent.begin(), sent.end());
  for (std::size_t i = 1; i < sent.size(); ++i) EXPECT_GE(sent[i] - sent[i - 1], 1s);
  EXPECT_LE(sent.back() - kStart, std::chrono::seconds(kMessages + 15));
  EXPECT_LE(refusals, kMessages);
}

TEST(SlackPacer, ForgetsUrlsAtRest) {
  SlackPacer pacer;
  for (int i = 0; i < 100'000; ++i) {
    EXPECT_EQ(wait_of(pacer.reserve(std::to_string(i), kStart + i * 1s, 10s)), 0s);
  }
  EXPECT_LE(pacer.urls(), 2048u);
}

TEST(SlackAnswer, KnowsItsWords) {
  EXPECT_TRUE(is_slack_success(200, "ok"));
  EXPECT_TRUE(is_slack_success(200, "ok\n"));
  EXPECT_FALSE(is_slack_success(200, "<html>ok</html>"));
  EXPECT_FALSE(is_slack_success(204, ""));
  for (const char* word :
       {"no_service", "invalid_payload", "channel_not_found", "channel_is_archived", "action_prohibited",
        "posting_to_general_channel_denied", "no_team", "invalid_token", "no_text"}) {
    EXPECT_EQ(permanent_slack_error(word), word);
  }
  for (const char* word : {"rollup_error", "rate_limited", "", "ok", "internal_error", "no_service at all"}) {
    EXPECT_EQ(permanent_slack_error(word), "") << word;
  }
}

}  // namespace
}  // namespace postern::relay
