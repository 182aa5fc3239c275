// Calls of a process that has given its place to this one.
#include "agent/call_book.hpp"

#include <gtest/gtest.h>

namespace postern::agent {
namespace {

struct FakeStream {
  tunnel::DeliverHead of;
  bool gone = false;
  const tunnel::DeliverHead& head() const { return of; }
  bool cancelled() const { return gone; }
};

class CallBookTest : public testing::Test {
 protected:
  static DeliveryId id(std::uint8_t number) {
    DeliveryId made;
    made.uuid.fill(number);
    return made;
  }
  static std::shared_ptr<FakeStream> stream(std::uint8_t number, std::uint32_t attempt = 1,
                                            std::uint32_t answered = 0) {
    auto made = std::make_shared<FakeStream>();
    made->of.delivery_id = id(number);
    made->of.attempt = attempt;
    made->of.answered = answered;
    return made;
  }
  static Outcome answer(std::uint32_t attempt) {
    Outcome outcome{attempt, {}, "ok"};
    outcome.head.outcome = tunnel::ResultOutcome::delivered;
    outcome.head.status = 200;
    return outcome;
  }
  static tunnel::ResultAck ack(std::uint8_t number, std::uint32_t attempt) { return {id(number), attempt}; }

  void inherit(std::uint8_t number) {
    const DeliveryId one = id(number);
    book.inherit({&one, 1});
  }

  ResultKeeper results{Journal({}), nullptr, 0};
  CallBook<FakeStream> book{results, 4};
};

TEST_F(CallBookTest, NobodyCallsForWhatIsUnderWayElsewhere) {
  inherit(1);
  const auto first = stream(1);
  EXPECT_TRUE(book.arrived(first).elsewhere);
  EXPECT_TRUE(book.arrived(stream(1)).elsewhere);
  const auto waited = book.ended_elsewhere(id(1), answer(1));
  ASSERT_EQ(waited.size(), 2U);
  EXPECT_EQ(waited.front(), first);
  for (const auto& each : waited) EXPECT_TRUE(book.arrived(each).known) << "they find what came of it";
}

TEST_F(CallBookTest, ANewAttemptIsMadeHereAlthoughItCameBeforeTheWordOfTheLast) {
  inherit(1);
  const auto next = stream(1, 2, 1);  // the relay has committed the answer to the first
  EXPECT_TRUE(book.arrived(next).elsewhere);
  const auto waited = book.ended_elsewhere(id(1), answer(1));
  ASSERT_EQ(waited.size(), 1U);
  EXPECT_TRUE(book.arrived(waited.front()).fresh);
}

TEST_F(CallBookTest, WhatEndedThereWithoutAnOutcomeIsMadeHere) {
  inherit(1);
  const auto lost = stream(1);
  book.arrived(lost);
  book.arrived(stream(1));
  lost->gone = true;
  const auto waited = book.ended_elsewhere(id(1), std::nullopt);
  ASSERT_EQ(waited.size(), 1U);
  EXPECT_TRUE(book.arrived(waited.front()).fresh);
  EXPECT_TRUE(book.ended_elsewhere(id(1), answer(1)).empty()) << "that was its last word";
}

TEST_F(CallBookTest, AnAcknowledgementMayComeBeforeTheOutcome) {
  inherit(1);
  inherit(2);
  const tunnel::ResultAck both[] = {ack(1, 1), ack(2, 1)};
  book.acknowledged(both);
  book.ended_elsewhere(id(1), answer(1));
  book.ended_elsewhere(id(2), answer(2));
  EXPECT_EQ(results.entries(), 1U) << "only the one that the relay does not have yet";
}

TEST_F(CallBookTest, AThirdProcessHearsOfAllThatIsUnderWayAndHowItEnds) {
  inherit(1);
  inherit(2);
  const auto mine = book.arrived(stream(3)).fresh;
  const auto never_begun = book.arrived(stream(4)).fresh;
  EXPECT_EQ(book.under_way().size(), 4U);
  std::vector<DeliveryId> ended, left;
  std::vector<tunnel::ResultAck> acked;
  results.hand_over({[&](DeliveryId which, const Outcome&) { ended.push_back(which); },
                     [&](DeliveryId which) { left.push_back(which); },
                     [&](auto acks) { acked.insert(acked.end(), acks.begin(), acks.end()); }});
  book.ended_elsewhere(id(1), answer(1));
  book.ended_elsewhere(id(2), std::nullopt);
  book.begin(*mine);
  book.over(mine, answer(1).head, "ok");
  book.leave(mine);
  book.leave(never_begun);
  const tunnel::ResultAck one = ack(3, 1);
  book.acknowledged({&one, 1});
  EXPECT_EQ(ended, (std::vector{id(1), id(3)}));
  EXPECT_EQ(left, (std::vector{id(2), id(4)}));
  EXPECT_EQ(acked, std::vector{one});
  EXPECT_TRUE(book.under_way().empty());
}

}  // namespace
}  // namespace postern::agent
