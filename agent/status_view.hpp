#pragma once
#include <boost/json/object.hpp>

#include <string>

#include "agent/state.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

/// What a running agent says of itself, from its status file, for another process.
namespace postern::agent {

/// A process that writes every 5 s and has been silent for that long stands still.
inline constexpr Duration kStatusStale = std::chrono::seconds(30);

/// The status file as it is, but for two members: `phase` is "not_running" when no process holds the
/// directory (then the rest is what the last one left behind), and `stale` is true then, or when the process
/// has not written for kStatusStale. Errors: `not_joined`, `state_damaged`, `io_failed`.
Result<boost::json::object> read_status(const StateDir& state_dir, Time now);

/// A process runs and says that a session stands, and it has said so lately.
bool is_connected(const boost::json::object& status);
/// Of the process that wrote it; empty when there was none.
std::string status_pid(const boost::json::object& status);

/// For people. Members that another version did not write are left out.
std::string render_status(const boost::json::object& status, Time now);

}  // namespace postern::agent
