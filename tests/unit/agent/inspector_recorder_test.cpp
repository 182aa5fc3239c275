#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "inspector_fixture.hpp"

namespace postern::agent::inspector {
namespace {

struct RecorderTest : testing::Test {
  std::shared_ptr<Recorder> make(RecorderLimits limits = {}) {
    return std::make_shared<Recorder>(clock_, limits);
  }
  std::vector<std::uint64_t> numbers(const Recorder& recorder) {
    std::vector<std::uint64_t> out;
    for (const auto& record : recorder.records()) out.push_back(record.number);
    return out;
  }
  ManualClock clock_;
};

TEST_F(RecorderTest, FollowsADeliveryFromItsHeadToItsAnswer) {
  const auto recorder = make();
  Recording recording(recorder, some_delivery());
  const Record* record = recorder->find(recording.number());
  ASSERT_TRUE(record);
  EXPECT_EQ(state_of(*record), "running");
  EXPECT_FALSE(record->request_body);
  recording.body("{}");
  clock_.advance(std::chrono::milliseconds(40));
  recording.ended(some_result(201), "made");
  EXPECT_EQ(state_of(*record), "delivered");
  EXPECT_EQ(record->request_body->bytes, "{}");
  EXPECT_EQ(record->response_body.bytes, "made");
  EXPECT_EQ(record->took, std::chrono::milliseconds(40));
}

TEST_F(RecorderTest, WhatIsLetGoWithoutAnAnswerWasGivenUp) {
  const auto recorder = make();
  {
    const Recording recording(recorder, some_delivery());
  }
  EXPECT_EQ(state_of(*recorder->find(1)), "given_up");
}

TEST_F(RecorderTest, ForgetsForGood) {
  const auto recorder = make();
  Recording running(recorder, some_delivery());
  running.body("secret");
  recorder->forget();
  EXPECT_EQ(recorder->bytes(), 0U);
  running.ended(some_result(200), "late");
  Recording(recorder, some_delivery()).ended(some_result(200), "later");
  EXPECT_TRUE(recorder->records().empty());
  EXPECT_EQ(recorder->bytes(), 0U);
}

TEST_F(RecorderTest, TheFirstOutcomeCounts) {
  const auto recorder = make();
  {
    Recording recording(recorder, some_delivery());
    recording.ended(some_result(200), "first");
    recording.ended(some_result(500), "second");
  }
  EXPECT_EQ(recorder->find(1)->result->status, 200);
  EXPECT_EQ(recorder->find(1)->response_body.bytes, "first");
}

TEST_F(RecorderTest, AnAnswerFromTheJournalIsSaidToBeOne) {
  const auto recorder = make();
  auto result = some_result();
  result.from_journal = true;
  Recording(recorder, some_delivery()).ended(result, "");
  EXPECT_EQ(state_of(*recorder->find(1)), "told_again");
}

TEST_F(RecorderTest, WithoutARecorderNothingHappens) {
  Recording recording(nullptr, some_delivery());
  recording.body("x");
  recording.ended(some_result(), "x");
  EXPECT_EQ(recording.number(), 0u);
}

TEST_F(RecorderTest, KeepsTheLastOnesOnly) {
  const auto recorder = make({.records = 3, .bytes = 1 << 20, .body_bytes = 100});
  for (int i = 0; i < 10; ++i) Recording(recorder, some_delivery()).ended(some_result(), "x");
  EXPECT_THAT(numbers(*recorder), testing::ElementsAre(8, 9, 10));
  EXPECT_FALSE(recorder->find(7));
  EXPECT_FALSE(recorder->find(11));
  EXPECT_FALSE(recorder->find(0));
}

TEST_F(RecorderTest, ItsBytesAreBoundedWhateverComes) {
  const auto recorder = make({.records = 200, .bytes = 1 << 20, .body_bytes = 100'000});
  const std::string body(300'000, 'x');
  for (int i = 0; i < 100; ++i) {
    auto head = some_delivery(std::string(5000, 't'));
    head.headers.assign(100, {"Name", std::string(200, 'v')});
    Recording recording(recorder, head);
    recording.body(body);
    recording.ended(some_result(), body);
    ASSERT_LE(recorder->bytes(), std::size_t{1} << 20);
  }
  EXPECT_GE(recorder->records().size(), 4u);
}

TEST_F(RecorderTest, ItsCountOfBytesComesBackToNothing) {
  const auto recorder = make({.records = 1, .bytes = 1 << 20, .body_bytes = 100});
  const auto round = [&] {
    Recording recording(recorder, some_delivery());
    recording.body("some");
    recording.ended(some_result(), "answer");
    return recorder->bytes();
  };
  const std::size_t first = round();
  for (int i = 0; i < 50; ++i) EXPECT_EQ(round(), first);
}

TEST_F(RecorderTest, ABodyIsCutAndItsSizeKnown) {
  const auto recorder = make({.records = 3, .bytes = 1 << 20, .body_bytes = 10});
  Recording recording(recorder, some_delivery());
  recording.body(std::string(11, 'a'));
  const KeptBody& body = *recorder->find(1)->request_body;
  EXPECT_EQ(body.bytes.size(), 10u);
  EXPECT_EQ(body.size, 11u);
  EXPECT_FALSE(body.is_whole());
}

TEST_F(RecorderTest, AWordOfOneThatHasGoneIsLost) {
  const auto recorder = make({.records = 1, .bytes = 1 << 20, .body_bytes = 10});
  Recording slow(recorder, some_delivery("/slow"));
  Recording fast(recorder, some_delivery("/fast"));
  slow.body("late");
  slow.ended(some_result(), "late");
  ASSERT_THAT(numbers(*recorder), testing::ElementsAre(2));
  EXPECT_EQ(recorder->find(2)->request.target, "/fast");
  EXPECT_FALSE(recorder->find(2)->request_body);
}

TEST_F(RecorderTest, OneThatAloneIsTooMuchIsNotKept) {
  const auto recorder = make({.records = 3, .bytes = 2000, .body_bytes = 4000});
  Recording recording(recorder, some_delivery());
  recording.body(std::string(3000, 'a'));
  recording.ended(some_result(), "x");
  EXPECT_TRUE(recorder->records().empty());
  EXPECT_EQ(recorder->bytes(), 0u);
  Recording(recorder, some_delivery()).ended(some_result(), "x");
  EXPECT_THAT(numbers(*recorder), testing::ElementsAre(2));
}

TEST_F(RecorderTest, EachChangeIsToldAndHasANumberOfItsOwn) {
  const auto recorder = make();
  int told = 0;
  recorder->on_change([&] { ++told; });
  Recording recording(recorder, some_delivery());
  recording.body("x");
  recording.ended(some_result(), "y");
  EXPECT_EQ(told, 3);
  EXPECT_EQ(recorder->revision(), 3u);
  EXPECT_EQ(recorder->find(1)->revision, 3u);
}

TEST_F(RecorderTest, ResendsAreCountedAtWhatTheyRepeat) {
  const auto recorder = make();
  Recording(recorder, some_delivery()).ended(some_result(), "");
  EXPECT_EQ(recorder->count_resend(1), 1u);
  Recording(recorder, some_delivery(), 1).ended(some_result(), "");
  EXPECT_EQ(recorder->count_resend(2), 2u);
  EXPECT_EQ(recorder->count_resend(1), 3u);
  EXPECT_EQ(recorder->count_resend(99), 1u);
}

}  // namespace
}  // namespace postern::agent::inspector
