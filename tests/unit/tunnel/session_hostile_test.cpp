// One end is an enemy: each case is a way multiplexers have been brought down, and must cost little and end
// clearly.
#include <gtest/gtest.h>

#include <limits>

#include "session_pair.hpp"
#include "tunnel-proto/session.hpp"

namespace postern::tunnel {
namespace {

using Kind = SessionEvent::Kind;

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

std::string data(StreamId stream, std::size_t size, std::uint8_t flags = 0) {
  return make_frame(FrameType::data, stream, std::string(size, 'x'), flags);
}
std::string deliver(StreamId stream, std::uint8_t flags = 0) {
  return make_frame(FrameType::deliver, stream, "h", flags);
}

/// What becomes of an agent that is fed this.
std::string agent_end(std::initializer_list<std::string> frames) {
  SessionPair pair;
  pair.settle();
  for (const std::string& frame : frames) pair.feed_agent(frame);
  return pair.agent.end_code();
}

/// What becomes of a relay with stream 1 open and sent, stream 3 not yet sent.
std::string relay_end(std::initializer_list<std::string> frames) {
  SessionPair pair;
  pair.settle();
  pair.open("h", body_of_size(1000));
  pair.relay.session.produce(pair.relay.wire, 1 << 20);
  pair.open("unsent");
  for (const std::string& frame : frames) pair.feed_relay(frame);
  return pair.relay.end_code();
}

TEST(HostileRelay, CannotBreakTheRulesOfStreams) {
  EXPECT_EQ(agent_end({deliver(1)}), "");
  EXPECT_EQ(agent_end({deliver(0)}), "protocol");
  EXPECT_EQ(agent_end({deliver(2)}), "protocol");
  EXPECT_EQ(agent_end({deliver(1), deliver(1)}), "protocol");
  EXPECT_EQ(agent_end({deliver(5), deliver(3)}), "protocol");
  EXPECT_EQ(agent_end({deliver(kMaxStream)}), "");
  EXPECT_EQ(agent_end({data(1, 10)}), "protocol");
  EXPECT_EQ(agent_end({deliver(3), data(5, 10)}), "protocol");
  EXPECT_EQ(agent_end({deliver(3), data(2, 10)}), "protocol");
  EXPECT_EQ(agent_end({deliver(1), data(0, 10)}), "protocol");
  EXPECT_EQ(agent_end({deliver(1, kFlagEnd), data(1, 10)}), "protocol");
  EXPECT_EQ(agent_end({deliver(1), data(1, 10, kFlagEnd), data(1, 10)}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::result, 1, "h")}), "protocol");
  EXPECT_EQ(agent_end({number_frame(FrameType::credit, 0, 10)}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::hello, 0, "h")}), "protocol");
  EXPECT_EQ(agent_end({reset_frame(1)}), "protocol");
  EXPECT_EQ(agent_end({deliver(1), make_frame(FrameType::reset, 1, "abc")}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::ping, 0, "short")}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::ping, 1, "12345678")}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::window, 0, "short")}), "protocol");
  EXPECT_EQ(agent_end({number_frame(FrameType::window, 7, 10)}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::goaway, 0, "\xff")}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType{99}, 0, "x", kFlagCritical)}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType{99}, 0, "x")}), "");
}

TEST(HostileAgent, CannotBreakTheRulesOfStreams) {
  const std::string result = make_frame(FrameType::result, 1, "r");
  EXPECT_EQ(relay_end({result}), "");
  EXPECT_EQ(relay_end({deliver(1)}), "protocol");
  EXPECT_EQ(relay_end({result, result}), "protocol");
  EXPECT_EQ(relay_end({data(1, 5)}), "protocol") << "DATA before RESULT";
  EXPECT_EQ(relay_end({make_frame(FrameType::result, 3, "r")}), "protocol")
      << "an answer to what was never sent";
  EXPECT_EQ(relay_end({make_frame(FrameType::result, 5, "r")}), "protocol");
  EXPECT_EQ(relay_end({make_frame(FrameType::result, 2, "r")}), "protocol");
  EXPECT_EQ(relay_end({reset_frame(3)}), "protocol");
  EXPECT_EQ(relay_end({reset_frame(7)}), "protocol");
  EXPECT_EQ(relay_end({make_frame(FrameType::result, 1, "r", kFlagEnd), data(1, 5)}), "protocol")
      << "DATA after END";
}

TEST(HostileAgent, CannotSayWhatOnlyARelaySays) {
  EXPECT_EQ(relay_end({make_frame(FrameType::result_ack, 0, std::string(20, 'a'))}), "protocol");
  EXPECT_EQ(relay_end({make_frame(FrameType::enroll, 0, "e")}), "protocol");
  EXPECT_EQ(relay_end({make_frame(FrameType::proof, 0, "p")}), "protocol");
}

TEST(HostileRelay, MayAcknowledgeWhatNeverWasAndNothingComesOfIt) {
  SessionPair pair;
  pair.settle();
  for (int i = 0; i < 1000; ++i)
    pair.feed_agent(make_frame(FrameType::result_ack, 0, std::string(200 * kResultAckSize, 'a')));
  EXPECT_EQ(pair.agent.end_code(), "");
  EXPECT_EQ(pair.agent.session.open_streams(), 0U);
  EXPECT_EQ(agent_end({make_frame(FrameType::result_ack, 0, std::string(201 * kResultAckSize, 'a'))}),
            "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::result_ack, 0, std::string(19, 'a'))}), "protocol");
  EXPECT_EQ(agent_end({make_frame(FrameType::result_ack, 1, std::string(20, 'a'))}), "protocol");
}

TEST(HostilePeer, AHeadOverTheBoundEndsItAtItsHeader) {
  for (const bool to_agent : {true, false}) {
    SessionPair pair;
    pair.settle();
    std::string header;
    const FrameType type = to_agent ? FrameType::deliver : FrameType::result;
    append_header(header, {type, 0, 1, static_cast<std::uint32_t>(kMaxMessage + 1)});
    to_agent ? pair.feed_agent(header) : pair.feed_relay(header);
    EXPECT_EQ(to_agent ? pair.agent.end_code() : pair.relay.end_code(), "protocol");
  }
}

TEST(HostilePeer, OneSessionsEndLeavesTheBudgetAndTheOthersAlone) {
  SessionLimits limits;
  limits.budget = std::make_shared<ByteBudget>(64 << 20);
  SessionPair good(limits);
  good.settle();
  const StreamId stream = good.open("h", body_of_size(10'000));
  good.settle();
  const std::uint64_t before = limits.budget->taken();
  {
    SessionPair bad(limits);
    bad.settle();
    for (StreamId id = 1; id < 2 * 64; id += 2) bad.feed_agent(deliver(id) + data(id, 16'000));
    EXPECT_GE(limits.budget->taken(), before + 64 * limits.stream_window);
    bad.feed_agent(deliver(129));
    EXPECT_EQ(bad.agent.end_code(), "flow_control");
    EXPECT_EQ(limits.budget->taken(), before) << "all of it is back at once";
  }
  EXPECT_EQ(good.agent.session.read(stream, good.now)->bytes.size(), 10'000U);
}

TEST(HostilePeer, CannotSendPastAStreamsWindow) {
  SessionPair pair;
  pair.settle();
  pair.feed_agent(deliver(1));
  for (std::size_t sent = 0; sent < kInitialStreamWindow; sent += 16'384) {
    pair.feed_agent(data(1, 16'000));
    pair.feed_agent(data(1, 384));
  }
  EXPECT_EQ(pair.agent.end_code(), "");
  EXPECT_EQ(pair.agent.session.buffered(), kInitialStreamWindow);
  pair.feed_agent(data(1, 1));
  EXPECT_EQ(pair.agent.end_code(), "flow_control");
  EXPECT_EQ(pair.agent.session.buffered(), 0U);
}

TEST(HostilePeer, IsStoppedAtTheHeaderBeforeAnyByteIsKept) {
  SessionLimits limits;
  limits.stream_window = 16'384;
  SessionPair pair(limits);
  pair.settle();
  pair.feed_agent(deliver(1));
  pair.feed_agent(data(1, 16'372));
  pair.feed_agent(data(1, 13).substr(0, kHeaderSize));
  EXPECT_EQ(pair.agent.end_code(), "flow_control");
}

TEST(HostilePeer, CannotOverflowAWindow) {
  SessionPair pair;
  pair.settle();
  pair.open("h", body_of_size(200'000));
  pair.settle();
  pair.feed_relay(number_frame(FrameType::window, 1, kMax));
  pair.feed_relay(number_frame(FrameType::window, 0, kMax));
  pair.feed_relay(number_frame(FrameType::window, 1, kMax));
  pair.feed_relay(number_frame(FrameType::window, 1, 5));
  pair.feed_relay(number_frame(FrameType::credit, 0, kMax));
  EXPECT_EQ(pair.relay.end_code(), "");
  EXPECT_EQ(pair.relay.session.credit(), 63U) << "the relay's own cap";
  std::string wire;
  pair.relay.session.produce(wire, 1 << 20);
  EXPECT_GT(wire.size(), 200'000U - 65'536U);
}

TEST(HostilePeer, CannotOpenMoreThanWasGranted) {
  SessionPair pair;
  pair.settle();
  for (StreamId stream = 1; stream < 2 * 64; stream += 2) pair.feed_agent(deliver(stream));
  EXPECT_EQ(pair.agent.end_code(), "");
  EXPECT_EQ(pair.agent.session.open_streams(), 64U);
  pair.feed_agent(deliver(129));
  EXPECT_EQ(pair.agent.end_code(), "flow_control");
}

TEST(HostilePeer, PaysForResets) {
  SessionPair pair;
  pair.settle();
  StreamId stream = 1;
  int rounds = 0;
  while (pair.agent.end_code().empty() && rounds < 10'000) {
    pair.feed_agent(deliver(stream) + reset_frame(stream));
    stream += 2;
    ++rounds;
  }
  EXPECT_EQ(pair.agent.end_code(), "excessive_resets");
  EXPECT_EQ(rounds, 165);
  EXPECT_EQ(pair.agent.session.open_streams(), 0U);
}

TEST(HostilePeer, AFlockOfTimeOutsIsNoAttack) {
  SessionPair pair;
  pair.settle();
  for (int flock = 0; flock < 20; ++flock) {
    std::vector<StreamId> streams;
    for (int i = 0; i < 64; ++i) streams.push_back(pair.open());
    pair.settle();
    for (const StreamId stream : streams) pair.relay.session.reset(stream, ResetCode::cancelled);
    pair.settle();
    pair.now += std::chrono::seconds(2);
  }
  EXPECT_EQ(pair.agent.end_code(), "");
}

TEST(HostilePeer, EverythingInFlightMayTimeOutInOneMoment) {
  SessionLimits limits;
  limits.max_deliveries = 1024;
  SessionPair pair(limits);
  pair.settle();
  std::vector<StreamId> streams;
  for (int i = 0; i < 1000; ++i) streams.push_back(pair.open());
  pair.settle();
  for (const StreamId stream : streams) pair.relay.session.reset(stream, ResetCode::cancelled);
  EXPECT_EQ(pair.relay.end_code(), "");
  pair.settle();
  EXPECT_EQ(pair.agent.end_code(), "");
}

TEST(HostilePeer, PaysForNoise) {
  const auto ends_with = [](const std::string& frame) {
    SessionPair pair;
    pair.settle();
    pair.feed_agent(deliver(1));
    int rounds = 0;
    while (pair.agent.end_code().empty() && ++rounds < 1000) pair.feed_agent(frame);
    EXPECT_LE(rounds, 201);
    return pair.agent.end_code();
  };
  EXPECT_EQ(ends_with(number_frame(FrameType::ping, 0, 1)), "excessive_noise");
  EXPECT_EQ(ends_with(number_frame(FrameType::pong, 0, 1)), "excessive_noise");
  EXPECT_EQ(ends_with(data(1, 0)), "excessive_noise");
  EXPECT_EQ(ends_with(number_frame(FrameType::window, 1, 1)), "excessive_noise");
  EXPECT_EQ(ends_with(number_frame(FrameType::window, 0, 1)), "excessive_noise");
  EXPECT_EQ(ends_with(make_frame(FrameType{99}, 0, "skip me")), "excessive_noise");
}

TEST(HostilePeer, WhoNeverReadsMakesNothingGrow) {
  SessionPair pair;
  pair.settle();
  for (int i = 0; i < 100; ++i)
    pair.feed_agent(number_frame(FrameType::ping, 0, static_cast<std::uint64_t>(i)));
  std::string wire;
  pair.agent.session.produce(wire, 1 << 20);
  EXPECT_EQ(wire, number_frame(FrameType::pong, 0, 99)) << "only the newest PONG is kept";
}

TEST(HostilePeer, WhoNeverReadsCannotPileUpResets) {
  SessionLimits limits;
  limits.reset_burst = 1'000'000;
  limits.max_queued_control = 20;
  limits.max_deliveries = 8;
  SessionPair pair(limits);
  pair.settle();
  StreamId stream = 1;
  for (int i = 0; i < 30; ++i, stream += 2) {
    pair.feed_agent(deliver(stream));
    pair.agent.session.reset(stream, ResetCode::refused);
  }
  EXPECT_EQ(pair.agent.end_code(), "write_stalled");
}

TEST(HostilePeer, DataForClosedStreamsIsDroppedAndCounted) {
  SessionPair pair;
  pair.settle();
  pair.feed_agent(deliver(1));
  pair.agent.session.reset(1, ResetCode::refused);
  // Far more than a session window: it flows back as it is thrown away.
  std::uint64_t sent = 0;
  for (int i = 0; i < 300; ++i) {
    pair.feed_agent(data(1, 16'000));
    sent += 16'000;
    std::string wire;
    pair.agent.session.produce(wire, 1);
  }
  EXPECT_EQ(pair.agent.end_code(), "");
  EXPECT_EQ(pair.agent.session.buffered(), 0U);
  EXPECT_GT(sent, kInitialSessionWindow);
}

TEST(HostilePeer, AStreamThatVanishesInTheMiddleOfAFrameIsFine) {
  SessionPair pair;
  pair.settle();
  pair.feed_agent(deliver(1));
  const std::string frame = data(1, 1000, kFlagEnd);
  pair.feed_agent(std::string_view(frame).substr(0, 500));
  pair.agent.session.reset(1, ResetCode::internal_error);
  pair.feed_agent(std::string_view(frame).substr(500));
  pair.feed_agent(deliver(3));
  EXPECT_EQ(pair.agent.end_code(), "");
  EXPECT_EQ(pair.agent.count(Kind::opened), 2U);
  EXPECT_EQ(pair.agent.session.buffered(), 0U);
}

TEST(HostilePeer, RepeatedGoAwayOnlyLowersTheLastStream) {
  SessionPair pair;
  pair.settle();
  pair.open();
  pair.open();
  pair.settle();
  GoAway goaway{"shutdown", "", {}, {}, 1};
  pair.feed_relay(make_frame(FrameType::goaway, 0, encode(goaway)));
  EXPECT_EQ(pair.relay.count(Kind::broken), 1U);
  goaway.last_stream = 100;
  pair.feed_relay(make_frame(FrameType::goaway, 0, encode(goaway)));
  EXPECT_EQ(pair.relay.session.peer_goaway()->last_stream, 1U);
  EXPECT_EQ(pair.relay.session.open_streams(), 1U);
}

}  // namespace
}  // namespace postern::tunnel
