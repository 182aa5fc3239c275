#pragma once
#include "agent/options.hpp"
#include "agent/proxy.hpp"
#include "agent/state.hpp"
#include "agent/successor.hpp"
#include "base/clock.hpp"
#include "base/random.hpp"
#include "tunnel-proto/limits.hpp"

namespace postern::agent {

/// Who serves, and by what right.
struct Tenure {
  Identity identity;
  FileLock lock;
  std::optional<Inheritance> inherited;  ///< from a process that serves still; the lock is its own then
};

/// Everything `run` does once it knows who it is: one loop on this thread, until SIGTERM or SIGINT. The first
/// signal finishes what is in flight, a second one ends at once; SIGUSR2 gives its place to the program that
/// is there now (handover.hpp). Prints `connected relay=HOST:PORT agent=agt_…` on standard output when the
/// first session stands. Returns the exit status.
int serve(const Options& options, const StateDir& state_dir, Tenure tenure, ProxyRules proxies,
          const Clock& clock, Random& random);

/// The protocol's bounds, with what the options grant: the sessions share it evenly.
tunnel::ConnectionLimits connection_limits(const Limits& limits, std::size_t sessions);

}  // namespace postern::agent
