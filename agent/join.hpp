#pragma once
#include <boost/asio/awaitable.hpp>

#include <istream>
#include <string>

#include "agent/options.hpp"
#include "agent/proxy.hpp"
#include "agent/state.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "tunnel-proto/connection.hpp"
#include "tunnel-proto/join_token.hpp"

/// Enrolment of this host: the agent makes its own secret and leaves only verifiers of it at the relay.
namespace postern::agent {

/// The token from wherever the options say: argument, file, or `standard_input`. Errors: `no_token`,
/// `io_failed`, and those of parse_join_token(), each with what to do.
Result<tunnel::JoinToken> read_token(const Options& options, std::istream& standard_input);

/// What the agent says of its host, for people: a JSON object of at most 2 KiB.
std::string host_facts();

struct JoinParts {
  const StateDir& state_dir;
  const Clock& clock;
  Random& random;
  tunnel::ConnectionLimits limits;
  ProxyRules proxies = {};
};

/// Joins and saves who this agent is now. With `ca` (RelayTrust::ca) a CA vouches for the relay in place of
/// the token's pins. The secret is on disk before the relay learns its verifiers, and a join that broke off
/// is told again with the very same secret, so that a lost answer costs nothing. Passing trouble of the
/// network is tried over a few times. Errors: `state_damaged`, `io_failed`, `expired`, `auth_failed`,
/// `already_used`, `pin_mismatch`, those of dial_relay(), and what a connection can end with.
boost::asio::awaitable<Result<Identity>> join(JoinParts parts, tunnel::JoinToken token, AllowList allow,
                                              std::string ca = {});

}  // namespace postern::agent
