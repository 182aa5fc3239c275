#pragma once
#include "agent/options.hpp"
#include "agent/proxy.hpp"
#include "agent/state.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "tunnel-proto/limits.hpp"

namespace postern::agent {

/// Everything `run` does once it knows who it is: one loop on this thread, until SIGTERM or SIGINT. The first
/// signal finishes what is in flight, a second one ends at once. Prints `connected relay=HOST:PORT
/// agent=agt_…` on standard output when the first session stands. Returns the exit status.
int serve(const Options& options, const StateDir& state_dir, Identity identity, ProxyRules proxies,
          const Clock& clock, Random& random);

/// The protocol's bounds, with what the options grant: the sessions share it evenly.
tunnel::ConnectionLimits connection_limits(const Limits& limits, std::size_t sessions);

}  // namespace postern::agent
