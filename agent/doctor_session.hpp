#pragma once
#include <boost/asio/awaitable.hpp>

#include <vector>

#include "agent/check.hpp"
#include "agent/join.hpp"

namespace postern::agent {

/// Three lines: channel binding, authentication, and a probe by the way that deliveries take.
///
/// A session is held for that until the relay's first probe has been answered; it leaves with the answer, so
/// that the relay never takes it for live and no delivery is ever given to it. While the agent runs its own
/// word is taken instead: a second login of the same state could push its sessions out.
boost::asio::awaitable<void> check_session(JoinParts parts, std::vector<Check>& checks);
void skip_session(std::vector<Check>& checks);

}  // namespace postern::agent
