#pragma once
#include <cstdint>
#include <deque>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/id.hpp"

namespace postern::agent {

enum class Phase {
  connecting,  ///< dialling or proving itself
  connected,   ///< deliveries can come
  waiting,     ///< the last try failed; the next comes by itself
  revoked,     ///< the relay does not know this agent (any more); asks again every few minutes
  replaced,    ///< a newer session of the same agent took over: a copy of the state runs elsewhere
  draining,    ///< asked to stop; finishing what is in flight
  stopped,
};
std::string_view to_text(Phase phase);

/// What became of the deliveries since the process started.
struct Counters {
  std::uint64_t in_flight = 0;
  std::uint64_t answered = 0;    ///< the app answered, whatever it said
  std::uint64_t not_sent = 0;    ///< nothing reached the app
  std::uint64_t maybe_sent = 0;  ///< the app may have acted; no answer came
  std::uint64_t told_again = 0;  ///< came a second time, and the app was not called
  std::uint64_t refused = 0;     ///< of not_sent: not on the allow-list
};

/// Which configuration file holds.
struct ConfigStatus {
  std::string file;  ///< empty: none
  Time loaded_at;
  std::optional<Error> error;  ///< of the last look, when what was found was not taken
};

/// The last try at upgrade, while this process goes on because it failed.
struct FailedUpgrade {
  Time at;
  Error error;
};

/// One of the agent's sessions with the relay, or the place of one.
struct SessionStatus {
  std::string_view state;  ///< connected, connecting, waiting or idle; the rest is of a connected one
  std::string relay = {};  ///< the address it goes to: that of a proxy, where one is on the way
  Time since = {};
  std::uint64_t generation = 0;
  Duration round_trip{};        ///< 0: not measured yet
  std::uint32_t in_flight = 0;  ///< deliveries
  std::optional<Time> probed_at =
      {};  ///< when the relay last asked by the way of deliveries whether it delivers
};

/// An app that was asked for, or is bounded.
struct AppStatus {
  std::string app;  ///< HOST:PORT, or unix:/path
  bool reachable = true;
  std::string reason = {};    ///< why not
  std::size_t in_flight = 0;  ///< deliveries
  std::size_t most = 0;       ///< of them at once; 0: any number
};

/// Outcomes that the relay has not confirmed.
struct JournalStatus {
  std::size_t entries = 0;
  std::size_t bytes = 0;
  std::uint64_t evicted = 0;  ///< dropped for room since the start
};

/// The same one again and again is one, of the last time.
struct PastError {
  Time at;
  Error error;
  std::uint64_t times = 1;
};

/// What the agent does just now. One thread.
struct Status {
  Phase phase = Phase::connecting;
  Time phase_since;
  std::string relay;
  std::string agent_id;
  std::uint64_t sessions = 0;     ///< that were established since the process started
  std::size_t sessions_open = 0;  ///< that stand now
  std::vector<SessionStatus> session_list;
  std::optional<Error> last_error;  ///< since a session stood
  std::deque<PastError> errors;     ///< the newest first, at most kErrorsKept
  std::optional<Time> last_delivery_at;
  Counters deliveries;
  std::size_t granted = 0;  ///< deliveries at once, to all sessions together
  std::vector<AppStatus> apps;
  JournalStatus journal;
  ConfigStatus config;
  std::optional<FailedUpgrade> failed_upgrade;
  std::string inspector;  ///< its URL with the token; empty: off
};

constexpr std::size_t kErrorsKept = 5;

/// Keeps the status file up to date: at once on a change of phase, otherwise as often as tick() is called.
/// Losing it harms nothing, so a write that fails is not reported.
class StatusBoard {
 public:
  StatusBoard(std::filesystem::path file, const Clock& clock) : file_(std::move(file)), clock_(clock) {}

  Status& status() { return status_; }
  Counters& counters() { return status_.deliveries; }
  void enter(Phase phase);
  void failed(Error error);
  void tick();
  /// The file belongs to another process of the agent, or (false) to this one.
  void leave_file(bool leave) { left_ = leave; }
  /// `fill` brings the status up to date each time before it is written; whoever is named in it outlives the
  /// board, or is asked weakly.
  void before_writing(std::function<void(Status&)> fill) { fill_ = std::move(fill); }

 private:
  std::filesystem::path file_;
  const Clock& clock_;
  Status status_;
  bool left_ = false;
  std::function<void(Status&)> fill_;
};

constexpr Duration kStatusPeriod = std::chrono::seconds(5);

}  // namespace postern::agent
