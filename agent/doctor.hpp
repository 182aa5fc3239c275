#pragma once
#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

#include "agent/check.hpp"
#include "agent/join.hpp"
#include "agent/state.hpp"

namespace postern::agent {

/// Checks every step in order: state, configuration, proxy (where one is set) or DNS, TCP, TLS and pin, what
/// doctor_session.hpp has of the session, and each app that the agent would serve with these options. What
/// cannot be checked because an earlier step failed is skipped.
boost::asio::awaitable<std::vector<Check>> examine(JoinParts parts, Options options);

bool healthy(const std::vector<Check>& checks);
std::string render(const std::vector<Check>& checks);
/// For programs: an object with `healthy`, and `checks` as they are.
std::string to_json(const std::vector<Check>& checks);

}  // namespace postern::agent
