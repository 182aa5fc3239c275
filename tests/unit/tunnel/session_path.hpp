#pragma once
#include <deque>
#include <functional>

#include "session_pair.hpp"

/// Two sessions and a path between them in virtual time: so much a second, so far away, and a kernel at each
/// end that takes a little more than is on the wire.
namespace postern::tunnel {

struct PathShape {
  double bytes_per_second = 10e6;
  Duration one_way = std::chrono::milliseconds(50);
  std::size_t kernel = 32 * 1024;  ///< unsent bytes that it takes
  Duration step = std::chrono::microseconds(100);
};

class SessionPath {
 public:
  SessionPath(const PathShape& shape, const SessionLimits& relay_limits, const SessionLimits& agent_limits)
      : relay(Role::relay, relay_limits, agent_limits, at({})),
        agent(Role::agent, agent_limits, relay_limits, at({})),
        shape_(shape) {}

  /// Called after every step: what the users of both ends do then.
  std::function<void()> users = [] {};

  void step() {
    now += shape_.step;
    move(relay, there_, agent);
    move(agent, back_, relay);
    relay.session.tick(now);
    agent.session.tick(now);
    relay.collect();
    agent.collect();
    users();
  }
  void run(Duration time) {
    for (const SteadyTime end = now + time; now < end;) step();
  }
  /// Until `done`, for at most `limit`. True when it came.
  bool run_until(const std::function<bool()>& done, Duration limit) {
    const SteadyTime end = now + limit;
    while (!done() && now < end) step();
    return done();
  }
  /// The round trip is measured, and the agent's credit has come.
  void settle() { run(4 * shape_.one_way + 10 * shape_.step); }

  SteadyTime now = at({});
  Peer relay, agent;

 private:
  struct Packet {
    SteadyTime due;
    std::string bytes;
  };
  struct Way {
    std::string unsent;
    std::deque<Packet> flying;
    double may_send = 0;
  };

  void move(Peer& from, Way& way, Peer& to) {
    constexpr std::size_t kBatch = 32 * 1024;  // as the driver's
    while (way.unsent.size() < shape_.kernel) {
      const std::size_t before = way.unsent.size();
      from.session.produce(way.unsent, before + kBatch);
      if (way.unsent.size() == before) break;
    }
    transmit(way);
    while (!way.flying.empty() && way.flying.front().due <= now) {
      to.session.receive(way.flying.front().bytes, now);
      way.flying.pop_front();
    }
  }
  void transmit(Way& way) {
    const double a_step = shape_.bytes_per_second * std::chrono::duration<double>(shape_.step).count();
    way.may_send = std::min(way.may_send + a_step, 2 * a_step);
    const std::size_t size = std::min(way.unsent.size(), static_cast<std::size_t>(way.may_send));
    if (size == 0) return;
    way.may_send -= static_cast<double>(size);
    way.flying.push_back({now + shape_.one_way, way.unsent.substr(0, size)});
    way.unsent.erase(0, size);
  }

  PathShape shape_;
  Way there_, back_;
};

/// Apps behind the agent: each reads what has come at once, but for those of some streams, and answers at the
/// end.
class PathApps {
 public:
  explicit PathApps(SessionPath& path) : path_(path) {
    path.users = [this] { act(); };
  }
  /// Of streams with this head nothing is ever read.
  static constexpr std::string_view kNeverReads = "never reads";

  std::uint64_t read_in_all() const { return read_; }
  bool finished(StreamId stream) const { return finished_.contains(stream); }
  Duration took(StreamId stream, SteadyTime since) const { return finished_.at(stream) - since; }

 private:
  void act() {
    for (const SessionEvent& event : std::exchange(path_.agent.events, {})) {
      if (event.kind == SessionEvent::Kind::opened) heads_[event.stream] = event.text;
      if (event.kind == SessionEvent::Kind::readable && heads_[event.stream] != kNeverReads)
        read(event.stream);
    }
    for (const SessionEvent& event : std::exchange(path_.relay.events, {})) {
      if (event.kind != SessionEvent::Kind::readable) continue;
      const auto piece = path_.relay.session.read(event.stream, path_.now);
      if (piece && piece->end) finished_[event.stream] = path_.now;
    }
  }
  void read(StreamId stream) {
    const auto piece = path_.agent.session.read(stream, path_.now);
    if (!piece) return;
    read_ += piece->bytes.size();
    if (piece->end) path_.agent.session.answer(stream, "done", nullptr);
  }

  SessionPath& path_;
  std::map<StreamId, std::string> heads_;
  std::map<StreamId, SteadyTime> finished_;
  std::uint64_t read_ = 0;
};

}  // namespace postern::tunnel
