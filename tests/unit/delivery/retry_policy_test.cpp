#include "relay/delivery/retry_policy.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
const Time kNow = from_micros(1'700'000'000'000'000);

AttemptResult answered(int status) {
  AttemptResult result;
  result.attempt.outcome = status >= 200 && status < 300 ? Outcome::delivered : Outcome::rejected;
  result.attempt.response_status = status;
  return result;
}

AttemptResult uncounted(std::string code) {
  AttemptResult result;
  result.attempt.outcome = Outcome::not_sent;
  result.attempt.counted = false;
  result.attempt.error_code = std::move(code);
  return result;
}

struct RetryPolicyTest : testing::Test {
  Verdict after(const AttemptResult& result, unsigned attempt_count = 0, unsigned uncounted_before = 0) {
    return judge({destination, attempt_count, attempt_count + uncounted_before, kNow}, result, random);
  }
  Destination destination;
  SeededRandom random{7};
};

TEST_F(RetryPolicyTest, SuccessIsDelivered) {
  const Verdict verdict = after(answered(204), 3);
  EXPECT_EQ(verdict.next, DeliveryState::delivered);
  EXPECT_EQ(verdict.reason, "");
}

TEST_F(RetryPolicyTest, GoneIsDeadAndDisables) {
  AttemptResult result = answered(410);
  result.gone = result.final = true;
  const Verdict verdict = after(result);
  EXPECT_EQ(verdict.next, DeliveryState::dead);
  EXPECT_EQ(verdict.reason, "gone");
  EXPECT_TRUE(verdict.disable_destination);
}

TEST_F(RetryPolicyTest, FinalIsDeadWithTheDriversWordOrItsOwn) {
  AttemptResult result = answered(404);
  result.final = true;
  EXPECT_EQ(after(result).reason, "final_status");
  result.attempt.error_code = "no_service";
  const Verdict verdict = after(result);
  EXPECT_EQ(verdict.reason, "no_service");
  EXPECT_EQ(verdict.next, DeliveryState::dead);
  EXPECT_FALSE(verdict.disable_destination);
}

TEST_F(RetryPolicyTest, AnAbsentAgentParks) {
  AttemptResult result = uncounted("agent_away");
  result.wait_for_agent = true;
  const Verdict verdict = after(result, 10, 1000);
  EXPECT_EQ(verdict.next, DeliveryState::parked);
  EXPECT_EQ(verdict.reason, "agent_away");
}

TEST_F(RetryPolicyTest, RetryAfterWinsOnlyWhenLaterAndUpToADay) {
  AttemptResult result = answered(503);
  result.retry_after = 1s;
  EXPECT_GE(after(result).next_at, kNow + 4s);  // the schedule's 5 s less jitter is later
  result.retry_after = 90s;
  EXPECT_EQ(after(result).next_at, kNow + 90s);
  result.retry_after = std::chrono::hours(1000);
  EXPECT_EQ(after(result).next_at, kNow + kRetryAfterMax);
  result.retry_after = -5s;
  EXPECT_GE(after(result).next_at, kNow + 4s);
}

TEST_F(RetryPolicyTest, ReasonsAreStableWords) {
  EXPECT_EQ(after(answered(500)).reason, "http_500");
  AttemptResult result;
  result.attempt.outcome = Outcome::maybe_sent;
  EXPECT_EQ(after(result).reason, "no_answer");
  result.attempt.error_code = "timeout";
  EXPECT_EQ(after(result).reason, "timeout");
  EXPECT_EQ(after(answered(500), 10).reason, "retries_exhausted");
}

TEST_F(RetryPolicyTest, UncountedTriesNeverKillAndStayBounded) {
  Duration longest{};
  for (unsigned before = 0; before < 500; ++before) {
    const Verdict verdict =
        after(uncounted("internal_error"), 10, before);  // the schedule's last attempt is next
    ASSERT_EQ(verdict.next, DeliveryState::pending);
    const Duration wait = verdict.next_at - kNow;
    ASSERT_GE(wait, kUncountedBackoffMin);
    ASSERT_LE(wait, std::min<Duration>(kUncountedBackoffMax, 1s * (1LL << std::min(before, 10U))));
    longest = std::max(longest, wait);
  }
  EXPECT_GT(longest, 30s) << "it never grew";
}

TEST_F(RetryPolicyTest, AFullAppMakesNoWaitGrow) {
  AttemptResult result = uncounted("no_credit");
  result.app_full = true;
  for (unsigned before = 0; before < 100; ++before)
    ASSERT_LE(after(result, 0, before).next_at - kNow, kUncountedBackoffBase);
}

TEST_F(RetryPolicyTest, ASingleEntryScheduleTriesOnce) {
  destination.retry_schedule = {0s};
  EXPECT_EQ(after(answered(500)).next, DeliveryState::dead);
}

// The plainest statement of the rules, to hold the policy to over random lives of deliveries.
struct Model {
  std::vector<Duration> schedule;
  unsigned counted = 0;

  struct Expected {
    DeliveryState state;
    Duration least{}, most{};
  };
  Expected step(const AttemptResult& result) {
    if (result.attempt.outcome == Outcome::delivered) return {DeliveryState::delivered};
    if (result.gone || result.final) return {DeliveryState::dead};
    if (result.wait_for_agent) return {DeliveryState::parked};
    const Duration asked = std::min<Duration>(result.retry_after.value_or(0s), 24h);
    if (!result.attempt.counted)
      return {DeliveryState::pending, std::max<Duration>(asked, 100ms), std::max<Duration>(asked, 60s)};
    if (++counted == schedule.size()) return {DeliveryState::dead};
    const double wait = static_cast<double>(schedule[counted].count());
    return {DeliveryState::pending, std::max(asked, Duration(static_cast<std::int64_t>(wait * 0.8) - 1)),
            std::max(asked, Duration(static_cast<std::int64_t>(wait * 1.2) + 1))};
  }
};

AttemptResult random_result(std::mt19937_64& dice) {
  static const int kStatuses[] = {200, 301, 400, 404, 408, 429, 500, 502, 503};
  const auto roll = dice() % 100;
  if (roll < 3) {
    AttemptResult result = answered(410);
    result.gone = true;
    return result;
  }
  if (roll < 25) {
    AttemptResult result = uncounted("internal_error");
    result.wait_for_agent = dice() % 2 == 0;
    if (dice() % 4 == 0) result.retry_after = std::chrono::seconds(dice() % 200);
    return result;
  }
  AttemptResult result = answered(kStatuses[roll < 30 ? 0 : 1 + dice() % 8]);
  if (dice() % 3 == 0) result.retry_after = std::chrono::seconds(dice() % 200'000);
  result.final = dice() % 50 == 0 && result.attempt.outcome != Outcome::delivered;
  return result;
}

TEST(RetryPolicyModelTest, AgreesWithTheModelOverRandomLives) {
  std::mt19937_64 dice(20260101);
  SeededRandom random(3);
  std::size_t steps = 0;
  std::size_t exhausted = 0;
  for (int life = 0; life < 5'000; ++life) {
    Destination destination;
    for (std::size_t n = dice() % 8; n > 0; --n) {
      destination.retry_schedule.push_back(std::chrono::milliseconds(dice() % 100'000));
    }
    Model model{destination.retry_schedule.empty() ? default_retry_schedule() : destination.retry_schedule};
    Time now = kNow;
    unsigned tries = 0;
    for (bool open = true; open && tries < 200; ++tries) {
      const AttemptResult result = random_result(dice);
      const Verdict verdict = judge({destination, model.counted, tries, now}, result, random);
      const auto expected = model.step(result);
      ASSERT_EQ(verdict.next, expected.state) << "life " << life << ", try " << tries;
      ASSERT_EQ(verdict.disable_destination, result.gone);
      if (verdict.next == DeliveryState::pending) {
        ASSERT_GE(verdict.next_at - now, expected.least);
        ASSERT_LE(verdict.next_at - now, expected.most);
        now = verdict.next_at;
      }
      exhausted += verdict.reason == "retries_exhausted";
      open = !is_terminal(verdict.next);
      ++steps;
    }
  }
  EXPECT_GT(steps, 20'000U);
  EXPECT_GT(exhausted, 500U);
}

}  // namespace
}  // namespace postern::relay
