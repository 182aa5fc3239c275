// A relay that is about to leave says so first.
#include "session_pair.hpp"

namespace postern::tunnel {
namespace {

using Kind = SessionEvent::Kind;

TEST(SessionMoving, IsToldAndChangesNothing) {
  SessionPair pair;
  pair.settle();
  pair.relay.session.announce({"shutdown", "soon", {}, {}});
  pair.settle();
  const auto* moving = pair.agent.last(Kind::moving);
  ASSERT_NE(moving, nullptr);
  const auto goaway = decode_goaway(moving->text);
  ASSERT_TRUE(goaway);
  EXPECT_TRUE(goaway->moving);
  EXPECT_EQ(goaway->code, "shutdown");
  EXPECT_EQ(pair.agent.count(Kind::going_away), 0U);
  const StreamId stream = pair.open();
  pair.settle();
  EXPECT_EQ(pair.agent.count(Kind::opened), 1U) << "deliveries go on";
  pair.agent.session.answer(stream, "r", nullptr);
  pair.settle();
  EXPECT_EQ(pair.relay.count(Kind::answered), 1U);
  EXPECT_FALSE(pair.relay.session.ended());
  EXPECT_FALSE(pair.agent.session.ended());
}

TEST(SessionMoving, TheAgentLeavesOnceItHasAnotherSession) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open();
  pair.relay.session.announce({"shutdown", "", {}, {}});
  pair.settle();
  pair.agent.session.go_away({"moved", "", {}, {}});
  pair.settle();
  EXPECT_EQ(pair.relay.session.peer_goaway()->code, "moved");
  EXPECT_FALSE(pair.relay.session.open("h", nullptr));
  pair.agent.session.answer(stream, "r", nullptr);
  pair.settle();
  pair.relay.session.read(stream, pair.now);
  pair.settle();
  EXPECT_TRUE(pair.relay.session.ended());
  EXPECT_TRUE(pair.agent.session.ended());
}

TEST(SessionMoving, TheRealGoodbyeFollowsAndTakesItsPlace) {
  SessionPair pair;
  pair.settle();
  pair.relay.session.announce({"shutdown", "soon", {}, {}});
  pair.relay.session.go_away({"shutdown", "now", {}, {}});
  pair.settle();
  EXPECT_EQ(pair.agent.count(Kind::moving), 0U) << "it had not left yet";
  EXPECT_EQ(pair.agent.session.peer_goaway()->message, "now");
  EXPECT_EQ(pair.relay.end_code(), "drained");
}

TEST(SessionMoving, NothingIsAnnouncedToOneThatLeaves) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open();
  pair.settle();
  pair.agent.session.go_away({"drain", "", {}, {}});
  pair.settle();
  pair.relay.session.announce({"shutdown", "soon", {}, {}});
  pair.settle();
  EXPECT_EQ(pair.agent.count(Kind::moving), 0U);
  pair.agent.session.answer(stream, "r", nullptr);
  pair.settle();
}

TEST(SessionMoving, OnlyARelayMayAnnounce) {
  SessionPair pair;
  pair.settle();
  GoAway goaway{"shutdown", "", {}, {}};
  goaway.moving = true;
  pair.feed_relay(make_frame(FrameType::goaway, 0, encode(goaway)));
  EXPECT_EQ(pair.relay.end_code(), "protocol");
}

TEST(SessionMoving, ARelayThatAnnouncesWithoutEndIsNoise) {
  SessionPair pair;
  pair.settle();
  GoAway goaway{"shutdown", "", {}, {}};
  goaway.moving = true;
  const std::string frame = make_frame(FrameType::goaway, 0, encode(goaway));
  for (int i = 0; i < 1000; ++i) pair.feed_agent(frame);
  EXPECT_EQ(pair.agent.end_code(), "excessive_noise");
}

}  // namespace
}  // namespace postern::tunnel
