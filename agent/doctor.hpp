#pragma once
#include <boost/asio/awaitable.hpp>

#include <string>
#include <vector>

#include "agent/join.hpp"
#include "agent/state.hpp"

namespace postern::agent {

/// One step of the way from this host to the relay and to the apps.
struct Check {
  std::string name;
  enum class Verdict { pass, fail, skipped } verdict = Verdict::skipped;
  std::string detail;
  std::string fix;  ///< what to do about it; only with fail
};

/// Checks every step in order: state, proxy (where one is set) or DNS, TCP, TLS and pin, authentication bound
/// to it, each app on the allow-list. What cannot be checked because an earlier step failed is skipped. While
/// the agent runs, its own word counts for the authentication (a second session would push the first one
/// out); otherwise one is held for a moment.
boost::asio::awaitable<std::vector<Check>> examine(JoinParts parts);

bool healthy(const std::vector<Check>& checks);
std::string render(const std::vector<Check>& checks);

}  // namespace postern::agent
