// Two honest ends, a narrow pipe and a seed: whatever the order of things, every byte arrives as it was sent,
// memory stays within the windows, every delivery ends in exactly one way, and nothing is left behind.
#include <gtest/gtest.h>

#include <set>

#include "base/random.hpp"
#include "session_pair.hpp"

namespace postern::tunnel {
namespace {

using Kind = SessionEvent::Kind;

class Simulation {
 public:
  explicit Simulation(std::uint64_t seed) : random_(seed), pair_(limits(), limits()) {}

  void run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      act();
      check();
    }
    finish();
  }

 private:
  struct Sent {
    Body body;
    Body answer;
    std::string got_by_agent;
    std::string got_by_relay;
    bool answered = false;  // by the agent
    bool done = false;      // at the relay, in whatever way
    bool complete = false;  // with an answer
    bool cancelled = false;
  };

  SessionLimits limits() {
    SessionLimits l;
    l.max_deliveries = 1 + static_cast<std::uint32_t>(pick(12));
    l.stream_window = kMaxData + pick(50'000);
    l.session_window = kMaxData + pick(100'000);
    l.reset_burst = 1'000'000;
    return l;
  }
  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_.u64() % below); }
  Body some_body(std::size_t most) {
    return pick(4) == 0 ? nullptr : body_of_size(1 + pick(most), unsigned(pick(1000)));
  }
  StreamId some_stream() {
    if (live_.empty()) return 0;
    return *std::next(live_.begin(), static_cast<std::ptrdiff_t>(pick(live_.size())));
  }

  void act() {
    pair_.now += Duration(pick(2000));
    switch (pick(10)) {
      case 0:
        return open();
      case 1:
        return agent_reads(some_stream());
      case 2:
        return answer(some_stream());
      case 3:
        if (pick(10) == 0) cancel(some_stream());
        return;
      case 4:
        pair_.relay.session.tick(pair_.now);
        pair_.agent.session.tick(pair_.now);
        return;
      default:
        move(1 + pick(pick(2) == 0 ? 40 : 40'000));
    }
  }

  void move(std::size_t capacity) {
    pair_.step(capacity);
    take_events();
  }

  void open() {
    if (pair_.relay.session.credit() == 0) return;
    Sent sent{some_body(120'000), some_body(90'000), {}, {}, false, false, false, false};
    const StreamId stream = pair_.open("head", sent.body);
    sent_.emplace(stream, std::move(sent));
  }
  void agent_reads(StreamId stream) {
    if (stream == 0) return;
    if (const auto piece = pair_.agent.session.read(stream, pair_.now))
      sent_.at(stream).got_by_agent += piece->bytes;
  }
  void answer(StreamId stream) {
    if (stream == 0 || sent_.at(stream).answered) return;
    sent_.at(stream).answered = true;
    pair_.agent.session.answer(stream, "answer", sent_.at(stream).answer);
    // Usually the app has read the request before it answers, and not always.
  }
  void cancel(StreamId stream) {
    if (stream == 0 || sent_.at(stream).done) return;
    sent_.at(stream).done = sent_.at(stream).cancelled = true;
    pair_.relay.session.reset(stream, ResetCode::cancelled);
  }

  void take_events() {
    for (const SessionEvent& event : std::exchange(pair_.agent.events, {})) {
      if (event.kind == Kind::opened) live_.insert(event.stream);
      if (event.kind == Kind::broken) live_.erase(event.stream);
    }
    for (const SessionEvent& event : std::exchange(pair_.relay.events, {})) {
      if (event.kind == Kind::broken) ADD_FAILURE() << "nobody resets towards the relay here";
      if (event.kind == Kind::readable) relay_reads(event.stream);
    }
  }
  void relay_reads(StreamId stream) {
    const auto piece = pair_.relay.session.read(stream, pair_.now);
    if (!piece) return;
    Sent& sent = sent_.at(stream);
    sent.got_by_relay += piece->bytes;
    if (!piece->end) return;
    EXPECT_FALSE(sent.done) << "one end only";
    sent.done = sent.complete = true;
    live_.erase(stream);
  }

  static bool is_prefix(const std::string& part, const Body& whole) {
    return whole ? whole->starts_with(part) : part.empty();
  }
  void check() {
    EXPECT_FALSE(pair_.relay.session.ended()) << pair_.relay.end_code();
    EXPECT_FALSE(pair_.agent.session.ended()) << pair_.agent.end_code();
    EXPECT_LE(pair_.agent.session.buffered(), 16U << 20);
    EXPECT_LE(pair_.agent.session.open_streams(), 12U);
    for (const auto& [stream, sent] : sent_) {
      ASSERT_TRUE(is_prefix(sent.got_by_agent, sent.body)) << stream;
      ASSERT_TRUE(is_prefix(sent.got_by_relay, sent.answer)) << stream;
      if (sent.complete) ASSERT_EQ(sent.got_by_relay, sent.answer ? *sent.answer : "") << stream;
    }
  }

  void finish() {
    for (int round = 0; round < 500; ++round) {
      for (int i = 0; i < 50; ++i) move(60'000);
      for (const StreamId stream : std::vector<StreamId>(live_.begin(), live_.end())) {
        agent_reads(stream);
        const Sent& sent = sent_.at(stream);
        if (sent.got_by_agent.size() == (sent.body ? sent.body->size() : 0)) answer(stream);
      }
    }
    for (const auto& [stream, sent] : sent_) EXPECT_TRUE(sent.done) << stream;
    EXPECT_EQ(pair_.relay.session.open_streams(), 0U);
    EXPECT_EQ(pair_.agent.session.open_streams(), 0U);
    EXPECT_EQ(pair_.agent.session.buffered(), 0U);
    EXPECT_GT(sent_.size(), 5U);
  }

  SeededRandom random_;
  SessionPair pair_;
  std::map<StreamId, Sent> sent_;
  std::set<StreamId> live_;  // opened at the agent and not known to have ended
};

TEST(SessionSimulation, NothingIsLostChangedOrLeftBehind) {
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    SCOPED_TRACE(seed);
    Simulation(seed).run(1500);
    if (::testing::Test::HasFailure()) break;
  }
}

}  // namespace
}  // namespace postern::tunnel
