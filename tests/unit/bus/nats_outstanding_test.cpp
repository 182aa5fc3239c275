#include "relay/bus/nats_outstanding.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using Kind = NatsAnswer::Kind;
using Stage = NatsOutstanding::Stage;

class NatsOutstandingTest : public testing::Test {
 protected:
  std::optional<NatsOutstanding::Token> request(std::string subject = "a", std::string data = "") {
    NatsMessage message{std::move(subject), {}, std::move(data)};
    return outstanding.add_request(message,
                                   [this](NatsAnswer answer) { answers.push_back(std::move(answer)); });
  }

  NatsOutstanding outstanding{3, 4096};
  std::vector<NatsAnswer> answers;
};

TEST_F(NatsOutstandingTest, WritesInOrderAndAnswersOnce) {
  const auto first = request("one");
  const auto second = request("two");
  EXPECT_EQ(outstanding.next()->message.subject, "one");
  EXPECT_EQ(outstanding.next()->message.subject, "two");
  EXPECT_FALSE(outstanding.next());
  outstanding.answer(*second, {Kind::answered, "", "", "ack"});
  outstanding.answer(*second, {Kind::answered, "", "", "again"});
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].data, "ack");
  outstanding.answer(*first, {Kind::answered, "", "", "late but good"});
  EXPECT_EQ(answers.size(), 2U);
  EXPECT_EQ(outstanding.bytes(), 0U);
}

TEST_F(NatsOutstandingTest, AbandonSaysHowFarItCame) {
  const auto first = request();
  EXPECT_EQ(outstanding.abandon(*first), Stage::queued);
  EXPECT_FALSE(outstanding.next()) << "an abandoned request is never written";
  const auto second = request();
  outstanding.next();
  EXPECT_EQ(outstanding.abandon(*second), Stage::written);
  EXPECT_EQ(outstanding.abandon(*second), std::nullopt);
  outstanding.answer(*second, {Kind::answered, "", "", "too late"});
  EXPECT_TRUE(answers.empty());
}

TEST_F(NatsOutstandingTest, ALostConnectionFailsWhatWasWrittenOnly) {
  request("written");
  outstanding.next();
  request("queued");
  outstanding.fail_written({Kind::maybe_sent, "nats_connection_lost", "", {}});
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers[0].kind, Kind::maybe_sent);
  outstanding.fail_queued({Kind::not_sent, "nats_away", "", {}});
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[1].kind, Kind::not_sent);
  EXPECT_EQ(outstanding.bytes(), 0U);
}

TEST_F(NatsOutstandingTest, IsBoundedInNumberAndBytes) {
  EXPECT_FALSE(request("a", std::string(5000, 'x')));
  EXPECT_TRUE(request());
  EXPECT_TRUE(request());
  EXPECT_TRUE(request());
  EXPECT_FALSE(request());
  NatsMessage post{"p", {}, ""};
  EXPECT_FALSE(outstanding.add_post(post));
  outstanding.forget();
  EXPECT_EQ(outstanding.bytes(), 0U);
  EXPECT_TRUE(outstanding.add_post(post));
  EXPECT_EQ(outstanding.next()->token, 0U);
  EXPECT_EQ(outstanding.bytes(), 0U);
}

}  // namespace
}  // namespace postern::relay
