#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

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

/// What the agent does just now. One thread.
struct Status {
  Phase phase = Phase::connecting;
  Time phase_since;
  std::string relay;
  std::string agent_id;
  std::uint64_t sessions = 0;     ///< that were established since the process started
  std::size_t sessions_open = 0;  ///< that stand now
  std::optional<Error> last_error;
  std::optional<Time> last_delivery_at;
  Counters deliveries;
  ConfigStatus config;
  std::string inspector;  ///< its URL with the token; empty: off
};

/// Keeps the status file up to date: at once on a change of phase, otherwise as often as tick() is called.
/// Losing it harms nothing, so a write that fails is not reported.
class StatusBoard {
 public:
  StatusBoard(std::filesystem::path file, const Clock& clock) : file_(std::move(file)), clock_(clock) {}

  Status& status() { return status_; }
  Counters& counters() { return status_.deliveries; }
  void enter(Phase phase);
  void failed(Error error) { status_.last_error = std::move(error); }
  void tick();

 private:
  std::filesystem::path file_;
  const Clock& clock_;
  Status status_;
};

constexpr Duration kStatusPeriod = std::chrono::seconds(5);

}  // namespace postern::agent
