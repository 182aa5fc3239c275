#include "agent/handover.hpp"

#include <gtest/gtest.h>

#include "agent/acknowledged.hpp"

namespace postern::agent {
namespace {

DeliveryId id(std::uint8_t number) {
  DeliveryId made;
  made.uuid.fill(number);
  return made;
}

std::vector<HandoverFrame> read_in_pieces(std::string_view bytes, std::size_t piece) {
  HandoverReader reader;
  std::vector<HandoverFrame> frames;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    reader.feed(bytes.substr(0, piece));
    while (true) {
      auto frame = reader.next();
      if (!frame || !*frame) break;
      frames.push_back(std::move(**frame));
    }
  }
  return frames;
}

TEST(Handover, FramesAreTheSameHoweverTheirBytesAreCut) {
  const std::string bytes = encode_frame(HandoverType::ready) + encode_frame(HandoverType::trouble, "why") +
                            encode_frame(static_cast<HandoverType>(99), std::string(300, 'x')) +
                            encode_frame(HandoverType::taken);
  for (const std::size_t piece : {1UL, 3UL, 7UL, bytes.size()}) {
    const auto frames = read_in_pieces(bytes, piece);
    ASSERT_EQ(frames.size(), 4U);
    EXPECT_EQ(frames[1].type, HandoverType::trouble);
    EXPECT_EQ(frames[1].payload, "why");
    EXPECT_EQ(frames[2].payload.size(), 300U) << "a type of another version is a frame all the same";
    EXPECT_EQ(frames[3].type, HandoverType::taken);
  }
}

TEST(Handover, AFrameOfAnySizeIsNotWaitedFor) {
  HandoverReader reader;
  reader.feed(std::string("\x01\x7f\xff\xff\xff", 5));
  EXPECT_FALSE(reader.next());
}

TEST(Handover, AGreetingComesBack) {
  Greeting greeting{{}, {}, 77, 1234};
  greeting.instance.fill(1);
  greeting.previous_instance.fill(2);
  const auto read = decode_greeting(encode_greeting(greeting));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->instance, greeting.instance);
  EXPECT_EQ(read->previous_instance, greeting.previous_instance);
  EXPECT_EQ(read->generation, 77U);
  EXPECT_EQ(read->pid, 1234);
}

TEST(Handover, AGreetingOfAnotherKindIsRefused) {
  EXPECT_FALSE(decode_greeting(""));
  EXPECT_FALSE(decode_greeting("[]"));
  EXPECT_FALSE(decode_greeting("{\"format\":1}"));
  const auto newer = decode_greeting("{\"format\":2}");
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().message.find("without a restart"), std::string::npos);
}

TEST(Handover, AGenerationComesBack) {
  EXPECT_EQ(decode_generation(encode_generation(1ULL << 40)).value(), 1ULL << 40);
  EXPECT_FALSE(decode_generation("1234567"));
}

TEST(Handover, EverythingThatIsRememberedFitsIntoOneFrame) {
  EXPECT_LT(encode_acks(std::vector<tunnel::ResultAck>(Acknowledged::kMost)).size(), kHandoverPayloadMost);
}

TEST(Handover, AnOutcomeComesBackWithItsBytes) {
  Outcome outcome{3, {}, std::string("\0\xff body", 7)};
  outcome.head.outcome = tunnel::ResultOutcome::delivered;
  outcome.head.status = 503;
  const auto payload = encode_outcome(id(5), outcome);
  ASSERT_TRUE(payload);
  const auto read = decode_outcome(*payload);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->first, id(5));
  EXPECT_EQ(read->second.attempt, 3U);
  EXPECT_EQ(read->second.head.status, 503U);
  EXPECT_EQ(read->second.body, outcome.body);
  for (std::size_t size = 0; size < 24; ++size) EXPECT_FALSE(decode_outcome(payload->substr(0, size)));
}

TEST(Handover, ListsAreWholeOrNothing) {
  const std::vector<DeliveryId> ids{id(1), id(2)};
  EXPECT_EQ(decode_ids(encode_ids(ids)).value(), ids);
  EXPECT_TRUE(decode_ids("").value().empty());
  EXPECT_FALSE(decode_ids(encode_ids(ids).substr(1)));
  const std::vector<tunnel::ResultAck> acks{{id(1), 4}, {id(2), 5}};
  EXPECT_EQ(decode_acks(encode_acks(acks)).value(), acks);
  EXPECT_FALSE(decode_acks(encode_acks(acks).substr(0, 30)));
}

}  // namespace
}  // namespace postern::agent
