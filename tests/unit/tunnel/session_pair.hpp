#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tunnel-proto/big_endian.hpp"
#include "tunnel-proto/session.hpp"

/// Two sessions and a pipe between them that holds as little as a test likes. Time stands still unless told.
namespace postern::tunnel {

inline SteadyTime at(Duration since_start) {
  return SteadyTime(std::chrono::hours(1)) + since_start;
}

inline Body body_of_size(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i + seed) * 2654435761U >> 11);
  return std::make_shared<const std::string>(std::move(bytes));
}

/// One end with what its user would keep.
struct Peer {
  Peer(Role role, const SessionLimits& own, const SessionLimits& other, SteadyTime now)
      : session({role, own, other.stream_window, other.session_window}, now) {}

  Session session;
  std::string wire;  ///< produced, not yet taken by the pipe
  std::vector<SessionEvent> events;

  void collect() {
    while (auto event = session.next_event()) events.push_back(std::move(*event));
  }
  const SessionEvent* last(SessionEvent::Kind kind) const {
    const auto found =
        std::find_if(events.rbegin(), events.rend(), [&](const auto& e) { return e.kind == kind; });
    return found == events.rend() ? nullptr : &*found;
  }
  std::size_t count(SessionEvent::Kind kind) const {
    return static_cast<std::size_t>(
        std::ranges::count_if(events, [&](const auto& e) { return e.kind == kind; }));
  }
  std::string end_code() const { return session.end() ? session.end()->code : ""; }
};

class SessionPair {
 public:
  explicit SessionPair(SessionLimits limits = {}) : SessionPair(limits, limits) {}
  SessionPair(SessionLimits relay_limits, SessionLimits agent_limits)
      : relay(Role::relay, relay_limits, agent_limits, at({})),
        agent(Role::agent, agent_limits, relay_limits, at({})) {}

  /// At most `capacity` bytes each way. True when anything moved.
  bool step(std::size_t capacity) {
    const bool there = move(relay, agent, capacity);
    const bool back = move(agent, relay, capacity);
    return there || back;
  }
  /// Until nothing moves any more.
  void settle(std::size_t capacity = 1 << 20) {
    while (step(capacity)) {
    }
  }
  StreamId open(std::string head = "head", Body body = nullptr) {
    const auto stream = relay.session.open(std::move(head), std::move(body));
    EXPECT_TRUE(stream) << (stream ? "" : stream.error().message);
    return stream.value_or(0);
  }
  /// Bytes of a hostile relay or agent.
  void feed_agent(std::string_view bytes) {
    agent.session.receive(bytes, now);
    agent.collect();
  }
  void feed_relay(std::string_view bytes) {
    relay.session.receive(bytes, now);
    relay.collect();
  }

  SteadyTime now = at({});
  Peer relay, agent;

 private:
  bool move(Peer& from, Peer& to, std::size_t capacity) {
    if (from.wire.empty()) from.session.produce(from.wire, 1);
    from.collect();
    const std::string part = from.wire.substr(0, capacity);
    from.wire.erase(0, part.size());
    if (part.empty()) return false;
    to.session.receive(part, now);
    to.collect();
    return true;
  }
};

inline std::string number_frame(FrameType type, StreamId stream, std::uint64_t value) {
  std::string payload;
  append_u64(payload, value);
  return make_frame(type, stream, payload);
}
inline std::string reset_frame(StreamId stream, std::uint32_t code = 1) {
  std::string payload;
  append_u32(payload, code);
  return make_frame(FrameType::reset, stream, payload);
}

}  // namespace postern::tunnel
