// Two well-behaved ends: streams, windows, credit, life signs, the end.
#include "tunnel-proto/session.hpp"

#include <gtest/gtest.h>

#include "session_pair.hpp"

namespace postern::tunnel {
namespace {

using Kind = SessionEvent::Kind;
using Broken = SessionEvent::Broken;

std::string read_all(Peer& peer, StreamId stream, SteadyTime now, bool* end = nullptr) {
  auto piece = peer.session.read(stream, now);
  if (end != nullptr) *end = piece && piece->end;
  return piece ? piece->bytes : "";
}

TEST(Session, CarriesOneDeliveryThroughAPipeOfAnyWidth) {
  for (const std::size_t capacity : {1U, 2U, 3U, 11U, 12U, 13U, 16'384U}) {
    SessionPair pair;
    pair.settle(capacity);
    const Body body = body_of_size(40'000);
    const Body answer = body_of_size(3'000, 7);
    const StreamId stream = pair.open("the head", body);
    pair.settle(capacity);
    ASSERT_NE(pair.agent.last(Kind::opened), nullptr);
    EXPECT_EQ(pair.agent.last(Kind::opened)->text, "the head");
    bool end = false;
    EXPECT_EQ(read_all(pair.agent, stream, pair.now, &end), *body);
    EXPECT_TRUE(end);
    pair.agent.session.answer(stream, "the answer's head", answer);
    pair.settle(capacity);
    EXPECT_EQ(pair.relay.last(Kind::answered)->text, "the answer's head");
    EXPECT_EQ(read_all(pair.relay, stream, pair.now, &end), *answer);
    EXPECT_TRUE(end);
    EXPECT_EQ(pair.relay.session.open_streams(), 0U);
    EXPECT_EQ(pair.agent.session.open_streams(), 0U);
    EXPECT_EQ(pair.agent.session.buffered(), 0U);
  }
}

TEST(Session, BodiesLargerThanAnyWindowComeThroughInPieces) {
  for (const std::size_t capacity : {97U, 16'384U}) {
    SessionPair pair;
    pair.settle();
    const Body body = body_of_size(700'000);
    const StreamId stream = pair.open("h", body);
    std::string got;
    bool end = false;
    while (!end && pair.step(capacity)) got += read_all(pair.agent, stream, pair.now, &end);
    EXPECT_EQ(got, *body);
  }
}

TEST(Session, AnUnreadStreamHoldsItsWindowAndNoMore) {
  SessionPair pair;
  pair.settle();
  pair.open("h", body_of_size(1 << 20));
  pair.settle();
  EXPECT_EQ(pair.agent.session.buffered(), kInitialStreamWindow);
}

TEST(Session, StalledStreamsStallOnlyThemselves) {
  SessionLimits limits;
  limits.max_deliveries = 40;
  SessionPair pair(limits);
  pair.settle();
  // 39 streams fill their windows: 2.4 MiB, more than the whole session window.
  for (int i = 0; i < 39; ++i) pair.open("stuck", body_of_size(1 << 20));
  pair.settle();
  EXPECT_EQ(pair.agent.session.buffered(), 39 * kInitialStreamWindow);
  const Body body = body_of_size(500'000, 3);
  const StreamId stream = pair.open("flows", body);
  std::string got;
  bool end = false;
  while (!end && pair.step(16'384)) got += read_all(pair.agent, stream, pair.now, &end);
  EXPECT_EQ(got, *body);
  EXPECT_EQ(pair.agent.session.buffered(), 39 * kInitialStreamWindow);
}

TEST(Session, StreamsShareTheWireInTurns) {
  SessionPair pair;
  pair.settle();
  const StreamId a = pair.open("a", body_of_size(60'000));
  const StreamId b = pair.open("b", body_of_size(60'000));
  std::string wire;
  pair.relay.session.produce(wire, 4 * 16'384);
  FrameReader reader(kMaxMessage);
  std::string_view bytes = wire;
  std::vector<std::pair<FrameType, StreamId>> order;
  while (!bytes.empty()) {
    const auto item = reader.next(bytes);
    ASSERT_TRUE(item);
    if (item->what == FrameReader::What::frame || item->what == FrameReader::What::header) {
      order.emplace_back(item->header.type, item->header.stream);
    }
  }
  const std::vector<std::pair<FrameType, StreamId>> expected = {
      {FrameType::deliver, a}, {FrameType::deliver, b}, {FrameType::data, a},
      {FrameType::data, b},    {FrameType::data, a},    {FrameType::data, b}};
  EXPECT_EQ(order, expected);
}

TEST(Session, ControlGoesBeforeBodies) {
  SessionPair pair;
  pair.settle();
  const StreamId first = pair.open("h", body_of_size(60'000));
  std::string wire;
  pair.relay.session.produce(wire, 1);
  pair.feed_relay(number_frame(FrameType::ping, 0, 77));
  pair.relay.session.reset(first, ResetCode::cancelled);
  pair.open("next", body_of_size(10));
  wire.clear();
  pair.relay.session.produce(wire, 1 << 20);
  EXPECT_EQ(static_cast<FrameType>(wire[0]), FrameType::pong);
  EXPECT_EQ(static_cast<FrameType>(wire[20]), FrameType::reset);
  EXPECT_EQ(static_cast<FrameType>(wire[36]), FrameType::deliver);
}

TEST(Session, AHeadAndItsBodyFitIntoOneRecordBesideBulk) {
  SessionPair pair;
  pair.settle();
  for (int i = 0; i < 10; ++i)
    ASSERT_TRUE(pair.relay.session.open("bulk", body_of_size(1 << 20), /*target=*/1));
  std::string wire;
  pair.relay.session.produce(wire, 32 * 1024);
  const auto small = pair.relay.session.open("small", body_of_size(1024), /*target=*/2);
  ASSERT_TRUE(small);
  wire.clear();
  pair.relay.session.produce(wire, 32 * 1024);
  ASSERT_EQ(wire.size(), 32U * 1024) << "two whole records";
  EXPECT_EQ(static_cast<FrameType>(wire[0]), FrameType::deliver);
  const auto body = parse_header(std::string_view(wire).substr(kHeaderSize + 5), kMaxMessage);
  ASSERT_TRUE(body);
  EXPECT_EQ(body->type, FrameType::data);
  EXPECT_EQ(body->stream, *small);
  EXPECT_TRUE(body->end());
}

TEST(Session, ASessionsWindowGrowsWithThePathAndShrinksInSilence) {
  SessionLimits limits;
  limits.budget = std::make_shared<ByteBudget>(64 << 20);
  SessionPair pair(limits);
  pair.now = at(std::chrono::milliseconds(10));
  pair.settle();
  const StreamId stream = pair.open("h", body_of_size(40 << 20));
  bool end = false;
  while (!end && pair.step(1 << 20)) read_all(pair.agent, stream, pair.now, &end);
  EXPECT_EQ(limits.budget->taken(), limits.max_stream_window + limits.stream_window +
                                        limits.max_session_window - limits.session_window)
      << "the agent's stream and session at their largest, and the relay's stream";
  pair.agent.session.answer(stream, "done", nullptr);
  pair.settle();
  read_all(pair.relay, stream, pair.now);
  pair.agent.session.tick(pair.now + limits.ping_after);
  EXPECT_EQ(limits.budget->taken(), 0U);
}

TEST(Session, WindowsGrowForAReaderThatKeepsUp) {
  SessionPair pair;
  pair.now = at(std::chrono::milliseconds(10));
  pair.settle();  // the first round trip takes 10 ms
  const StreamId stream = pair.open("h", body_of_size(4 << 20));
  bool end = false;
  while (!end && pair.step(1 << 20)) read_all(pair.agent, stream, pair.now, &end);
  EXPECT_TRUE(end);
  pair.open("h", body_of_size(4 << 20));
  pair.settle();
  EXPECT_EQ(pair.agent.session.buffered(), kInitialStreamWindow)
      << "what one stream has won is not the next one's";
}

TEST(Session, WindowsGrowOnlyWithinTheBudget) {
  SessionLimits limits;
  limits.window_growth = 100'000;
  limits.max_session_window = limits.session_window;
  SessionPair pair(limits);
  pair.now = at(std::chrono::milliseconds(10));
  pair.settle();
  std::vector<StreamId> streams;
  for (int i = 0; i < 8; ++i) streams.push_back(pair.open("h", body_of_size(2 << 20)));
  std::uint64_t most = 0;
  for (int turn = 0; turn < 60; ++turn) {
    pair.settle();
    most = std::max(most, pair.agent.session.buffered());
    for (const StreamId stream : streams) read_all(pair.agent, stream, pair.now);
  }
  EXPECT_GT(most, 8 * limits.stream_window) << "one of them has grown";
  EXPECT_LE(most, 8 * limits.stream_window + 100'000);
}

TEST(Session, DeliveriesStayWithinTheAgentsCredit) {
  SessionLimits limits;
  limits.max_deliveries = 2;
  SessionPair pair(SessionLimits{}, limits);
  EXPECT_EQ(pair.relay.session.open("h", nullptr).error().code, "no_credit") << "before the first CREDIT";
  pair.settle();
  EXPECT_EQ(pair.relay.session.credit(), 2U);
  EXPECT_EQ(pair.relay.count(Kind::credit), 1U);
  const StreamId first = pair.open();
  pair.open();
  EXPECT_EQ(pair.relay.session.open("h", nullptr).error().code, "no_credit");
  pair.settle();
  pair.agent.session.answer(first, "done", nullptr);
  pair.settle();
  EXPECT_EQ(pair.relay.session.credit(), 1U);
  EXPECT_EQ(pair.relay.count(Kind::credit), 2U);
  pair.open();
}

TEST(Session, TheRelaysOwnCapHoldsWhateverTheAgentGrants) {
  SessionLimits own;
  own.max_deliveries = 3;
  SessionPair pair(own, SessionLimits{});
  pair.settle();
  EXPECT_EQ(pair.relay.session.credit(), 3U);
}

TEST(Session, AnEarlyAnswerEndsTheRequest) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open("h", body_of_size(1 << 20));
  pair.settle();
  pair.agent.session.answer(stream, "not allowed", nullptr);
  pair.settle();
  EXPECT_EQ(pair.relay.last(Kind::answered)->text, "not allowed");
  EXPECT_TRUE(pair.relay.session.read(stream, pair.now)->end);
  pair.settle();
  EXPECT_EQ(pair.relay.session.open_streams(), 0U);
  EXPECT_EQ(pair.agent.session.open_streams(), 0U);
  EXPECT_FALSE(pair.relay.session.ended());
}

TEST(Session, ResetFromTheRelayReachesTheAgent) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open("h", body_of_size(1 << 20));
  pair.settle();
  EXPECT_FALSE(pair.relay.session.reset(stream, ResetCode::cancelled));
  pair.settle();
  ASSERT_NE(pair.agent.last(Kind::broken), nullptr);
  EXPECT_EQ(pair.agent.last(Kind::broken)->code, ResetCode::cancelled);
  EXPECT_EQ(pair.agent.session.buffered(), 0U);
  EXPECT_EQ(pair.relay.session.credit(), 64U);
}

TEST(Session, ResetBeforeTheHeadHasLeftCostsNothing) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open();
  EXPECT_TRUE(pair.relay.session.reset(stream, ResetCode::cancelled));
  pair.settle();
  EXPECT_EQ(pair.agent.count(Kind::opened), 0U);
  EXPECT_EQ(pair.relay.session.credit(), 64U);
}

TEST(Session, AnswerAndCancelMayCross) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open("h", body_of_size(200'000));
  pair.settle();
  pair.relay.session.reset(stream, ResetCode::cancelled);
  pair.agent.session.answer(stream, "too late", body_of_size(100'000));
  pair.settle();
  EXPECT_EQ(pair.relay.count(Kind::answered), 0U);
  EXPECT_FALSE(pair.relay.session.ended());
  EXPECT_FALSE(pair.agent.session.ended());
  // The bytes that crossed have not been lost to the session's window.
  const StreamId next = pair.open("h", body_of_size(10));
  pair.settle();
  pair.agent.session.answer(next, "fine", body_of_size(60'000));
  pair.settle();
  EXPECT_EQ(pair.relay.session.read(next, pair.now)->bytes.size(), 60'000U);
}

// --- Time
// ---------------------------------------------------------------------------------------------------------

TEST(SessionTime, SilenceIsAskedAboutAndThenDead) {
  SessionPair pair;
  pair.settle();
  Session& relay = pair.relay.session;
  EXPECT_EQ(relay.next_deadline(), at(std::chrono::seconds(15)));
  relay.tick(at(std::chrono::milliseconds(14'999)));
  EXPECT_FALSE(relay.has_output());
  relay.tick(at(std::chrono::seconds(15)));
  EXPECT_TRUE(relay.has_output());
  EXPECT_EQ(relay.next_deadline(), at(std::chrono::seconds(25)));
  relay.tick(at(std::chrono::milliseconds(24'999)));
  EXPECT_FALSE(relay.ended());
  relay.tick(at(std::chrono::seconds(25)));
  EXPECT_EQ(pair.relay.end_code(), "peer_silent");
}

TEST(SessionTime, AnyByteIsLife) {
  SessionPair pair;
  pair.settle();
  const std::string frame = number_frame(FrameType::ping, 0, 1);
  pair.agent.session.receive(frame.substr(0, 1), at(std::chrono::seconds(14)));
  EXPECT_EQ(pair.agent.session.next_deadline(), at(std::chrono::seconds(29)));
}

TEST(SessionTime, IdleSessionsLiveOnPingsForDays) {
  SessionPair pair;
  pair.settle();
  for (int second = 0; second < 100'000; second += 5) {
    pair.now = at(std::chrono::seconds(second));
    pair.relay.session.tick(pair.now);
    pair.agent.session.tick(pair.now);
    pair.settle();
    EXPECT_GT(pair.relay.session.next_deadline(), pair.now) << "a deadline in the past would spin";
  }
  EXPECT_FALSE(pair.relay.session.ended());
  EXPECT_FALSE(pair.agent.session.ended());
}

TEST(SessionTime, ProbeAsksAtOnce) {
  SessionPair pair;
  pair.settle();
  pair.agent.session.probe(at(std::chrono::seconds(1)), std::chrono::seconds(2));
  EXPECT_TRUE(pair.agent.session.has_output());
  EXPECT_EQ(pair.agent.session.next_deadline(), at(std::chrono::seconds(3)));
  pair.now = at(std::chrono::seconds(2));
  pair.settle();
  pair.agent.session.tick(at(std::chrono::seconds(3)));
  EXPECT_FALSE(pair.agent.session.ended());
  pair.agent.session.probe(at(std::chrono::seconds(4)), std::chrono::seconds(2));
  pair.agent.session.tick(at(std::chrono::seconds(6)));
  EXPECT_EQ(pair.agent.end_code(), "peer_silent");
}

TEST(SessionTime, AWriterThatIsStuckEndsIt) {
  SessionPair pair;
  pair.settle();
  Session& relay = pair.relay.session;
  relay.write_blocked(at(std::chrono::seconds(1)));
  relay.write_blocked(at(std::chrono::seconds(5)));  // still the same wait
  relay.receive(number_frame(FrameType::ping, 0, 1), at(std::chrono::seconds(20)));
  relay.tick(at(std::chrono::milliseconds(20'999)));
  EXPECT_FALSE(relay.ended());
  EXPECT_EQ(relay.next_deadline(), at(std::chrono::seconds(21)));
  relay.write_progress();
  relay.tick(at(std::chrono::seconds(21)));
  EXPECT_FALSE(relay.ended());
  relay.write_blocked(at(std::chrono::seconds(22)));
  relay.receive(number_frame(FrameType::ping, 0, 2), at(std::chrono::seconds(41)));
  relay.tick(at(std::chrono::seconds(42)));
  EXPECT_EQ(pair.relay.end_code(), "write_stalled");
}

TEST(SessionTime, MeasuresTheRoundTrip) {
  SessionPair pair;
  pair.relay.session.produce(pair.relay.wire, 1 << 20);
  pair.now = at(std::chrono::milliseconds(40));
  pair.settle();
  EXPECT_EQ(pair.relay.session.round_trip(), std::chrono::milliseconds(40));
}

// --- The end
// ------------------------------------------------------------------------------------------------------

TEST(SessionEnd, DrainsOnceTheLastStreamHasFinished) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open();
  pair.settle();
  pair.relay.session.go_away({"shutdown", "", {}, {}});
  EXPECT_EQ(pair.relay.session.open("h", nullptr).error().code, "closed");
  EXPECT_EQ(pair.relay.session.credit(), 0U);
  pair.settle();
  EXPECT_EQ(pair.agent.session.peer_goaway()->code, "shutdown");
  EXPECT_FALSE(pair.relay.session.ended());
  pair.agent.session.answer(stream, "r", nullptr);
  pair.settle();
  pair.relay.session.read(stream, pair.now);
  EXPECT_EQ(pair.relay.end_code(), "drained");
  EXPECT_EQ(pair.agent.end_code(), "shutdown");
}

TEST(SessionEnd, AnIdleSessionDrainsAtOnceButSaysSoFirst) {
  SessionPair pair;
  pair.settle();
  pair.relay.session.go_away({"shutdown", "", {}, {}});
  EXPECT_FALSE(pair.relay.session.ended());
  pair.settle();
  EXPECT_EQ(pair.relay.end_code(), "drained");
  EXPECT_EQ(pair.agent.end_code(), "shutdown");
}

TEST(SessionEnd, WhatCrossesTheAgentsGoAwayWasNeverStarted) {
  SessionPair pair;
  pair.settle();
  pair.open("started");
  pair.settle();
  pair.agent.session.go_away({"shutdown", "", {}, {}});
  const StreamId crossing = pair.open("crossing", body_of_size(100));
  pair.relay.session.produce(pair.relay.wire, 1 << 20);
  const StreamId queued = pair.open("queued");
  pair.settle();
  EXPECT_EQ(pair.agent.count(Kind::opened), 1U);
  ASSERT_EQ(pair.relay.count(Kind::broken), 2U);
  for (const SessionEvent& event : pair.relay.events) {
    if (event.kind != Kind::broken) continue;
    EXPECT_TRUE(event.stream == crossing || event.stream == queued);
    EXPECT_EQ(event.broken, Broken::not_started);
  }
  EXPECT_FALSE(pair.relay.session.ended());
}

TEST(SessionEnd, LossTellsSentFromUnsent) {
  SessionPair pair;
  pair.settle();
  const StreamId sent = pair.open();
  pair.relay.session.produce(pair.relay.wire, 1 << 20);
  const StreamId unsent = pair.open();
  pair.relay.session.lost({"connection_lost", "gone"});
  pair.relay.collect();
  ASSERT_EQ(pair.relay.count(Kind::broken), 2U);
  for (const SessionEvent& event : pair.relay.events) {
    if (event.kind != Kind::broken) continue;
    EXPECT_EQ(event.broken, event.stream == sent ? Broken::lost : Broken::not_started);
    EXPECT_TRUE(event.stream == sent || event.stream == unsent);
  }
  EXPECT_EQ(pair.relay.events.back().kind, Kind::ended);
}

TEST(SessionEnd, AWholeAnswerSurvivesTheLoss) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open();
  pair.settle();
  pair.agent.session.answer(stream, "r", body_of_size(100));
  pair.settle();
  pair.relay.session.lost({"connection_lost", "gone"});
  pair.relay.collect();
  EXPECT_EQ(pair.relay.count(Kind::broken), 0U);
  EXPECT_EQ(pair.relay.session.read(stream, pair.now)->bytes.size(), 100U);
}

// --- A grant that changes

SessionLimits granting(std::uint32_t deliveries) {
  SessionLimits limits;
  limits.max_deliveries = deliveries;
  return limits;
}

void answer_one(SessionPair& pair, StreamId stream) {
  pair.agent.session.answer(stream, "r", nullptr);
  pair.settle();
  pair.relay.session.read(stream, pair.now);
}

TEST(SessionGrant, MoreIsThereAtOnce) {
  SessionPair pair(granting(1024), granting(1));
  pair.settle();
  pair.open();
  EXPECT_EQ(pair.relay.session.credit(), 0U);
  pair.agent.session.grant(4);
  pair.settle();
  EXPECT_EQ(pair.relay.session.credit(), 3U);
  EXPECT_EQ(pair.relay.count(Kind::credit), 2U) << "the first grant, and the change";
}

TEST(SessionGrant, FewerComeAboutAsThoseEndThatAreThere) {
  SessionPair pair(granting(1024), granting(3));
  pair.settle();
  const StreamId streams[] = {pair.open(), pair.open(), pair.open()};
  pair.settle();
  pair.agent.session.grant(1);
  pair.settle();
  for (const StreamId stream : streams) {
    EXPECT_EQ(pair.relay.session.credit(), 0U);
    answer_one(pair, stream);
  }
  EXPECT_EQ(pair.relay.session.credit(), 1U);
  const StreamId one_more = pair.open();
  pair.settle();
  answer_one(pair, one_more);
  EXPECT_EQ(pair.relay.session.credit(), 1U);
  EXPECT_FALSE(pair.agent.session.ended());
}

TEST(SessionGrant, DownAndUpAgainIsAsBefore) {
  SessionPair pair(granting(1024), granting(3));
  pair.settle();
  const StreamId stream = pair.open();
  pair.settle();
  pair.agent.session.grant(1);
  pair.agent.session.grant(5);
  pair.settle();
  EXPECT_EQ(pair.relay.session.credit(), 4U);
  answer_one(pair, stream);
  EXPECT_EQ(pair.relay.session.credit(), 5U);
}

TEST(SessionGrant, ARelayIsHeldToTheOldGrantUntilItKnowsTheNewOne) {
  SessionPair pair(granting(1024), granting(2));
  pair.settle();
  pair.agent.session.grant(1);
  pair.open();
  pair.open();
  pair.settle();
  EXPECT_FALSE(pair.agent.session.ended()) << pair.agent.end_code();
  EXPECT_EQ(pair.agent.session.open_streams(), 2U);
}

TEST(SessionGrant, ManyMoreMayTimeOutTogether) {
  SessionPair pair(granting(1024), granting(1));
  pair.settle();
  pair.agent.session.grant(600);
  pair.settle();
  std::vector<StreamId> streams;
  for (int i = 0; i < 600; ++i) streams.push_back(pair.open());
  pair.settle();
  for (const StreamId stream : streams) pair.relay.session.reset(stream, ResetCode::cancelled);
  pair.settle();
  EXPECT_FALSE(pair.agent.session.ended()) << pair.agent.end_code();
}

// --- Apps

TEST(SessionHealth, TheNewestWordIsTheWholeOfIt) {
  SessionPair pair;
  pair.settle();
  const AppHealth gone{"localhost", 8000, false, "connect_failed"};
  const AppHealth there{"::1", 9, true, ""};
  pair.agent.session.health(std::vector{there});
  pair.agent.session.health(std::vector{gone, there});
  pair.settle();
  ASSERT_EQ(pair.relay.count(Kind::health), 1U);
  EXPECT_EQ(*decode_health(pair.relay.last(Kind::health)->text), (std::vector{gone, there}));
}

TEST(SessionHealth, OutOfPlaceOrMalformedItEndsTheSession) {
  SessionPair from_relay;
  from_relay.feed_agent(make_frame(FrameType::health, 0, ""));
  EXPECT_EQ(from_relay.agent.end_code(), "protocol");
  SessionPair on_a_stream;
  on_a_stream.feed_relay(make_frame(FrameType::health, 1, ""));
  EXPECT_EQ(on_a_stream.relay.end_code(), "protocol");
  SessionPair garbage;
  garbage.feed_relay(make_frame(FrameType::health, 0, "\xff\xff\xff"));
  EXPECT_EQ(garbage.relay.end_code(), "protocol");
}

TEST(SessionHealth, AFloodOfItEndsTheSession) {
  SessionPair pair;
  for (int i = 0; i < 1000; ++i) pair.feed_relay(make_frame(FrameType::health, 0, ""));
  EXPECT_EQ(pair.relay.end_code(), "excessive_noise");
}

TEST(HealthMessage, SaysHowMuchAnAppTakesAtOnce) {
  const std::vector<AppHealth> apps = {
      {"a", 1, true, "", 8, 2}, {"b", 2, false, "dns_failed", 1024, 4}, {"c", 3, true, ""}};
  EXPECT_EQ(*decode_health(encode(apps)), apps);
  const std::vector<AppHealth> strange = {{"a", 1, true, "", 4'000'000'000, 0}, {"b", 1, true, "", 1, 77}};
  const auto read = *decode_health(encode(strange));
  EXPECT_EQ(read[0], (AppHealth{"a", 1, true, "", 1'000'000, 1}));
  EXPECT_EQ(read[1].sessions, kSessionsMost);
}

TEST(HealthMessage, IsBounded) {
  const std::vector<AppHealth> many(kAppsMost + 50, AppHealth{"a", 1, true, ""});
  EXPECT_EQ(decode_health(encode(many))->size(), kAppsMost);
  EXPECT_TRUE(decode_health(encode(std::vector{AppHealth{std::string(256, 'a'), 1, true, ""}}))->empty());
  const std::vector<AppHealth> longest(kAppsMost,
                                       AppHealth{std::string(255, 'a'), 65535, false, std::string(100, 'r')});
  EXPECT_LE(encode(longest).size(), kMaxMessage);
}

TEST(SessionEnd, NothingHappensAfterIt) {
  SessionPair pair;
  pair.settle();
  const StreamId stream = pair.open("h", body_of_size(10));
  pair.settle();
  pair.agent.session.close("internal_error", "x");
  pair.agent.collect();
  const std::size_t events = pair.agent.events.size();
  pair.agent.session.answer(stream, "r", nullptr);
  pair.agent.session.go_away({"shutdown", "", {}, {}});
  pair.agent.session.close("again", "");
  pair.agent.session.reset(stream, ResetCode::refused);
  pair.agent.session.tick(at(std::chrono::hours(1)));
  pair.agent.session.receive(make_frame(FrameType::deliver, 99, ""), pair.now);
  EXPECT_FALSE(pair.agent.session.read(stream, pair.now));
  pair.agent.collect();
  EXPECT_EQ(pair.agent.events.size(), events);
  EXPECT_EQ(pair.agent.end_code(), "internal_error");
  pair.settle();
  EXPECT_EQ(pair.relay.session.peer_goaway()->code, "internal_error") << "the last word still leaves";
}

}  // namespace
}  // namespace postern::tunnel
