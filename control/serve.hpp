#pragma once
#include "control/settings.hpp"

namespace postern::control {

/// `postern serve`: runs the relay until SIGTERM or SIGINT, and returns the exit code. The readiness line
/// goes to stdout, everything else to stderr. A second signal while it drains ends the process at once.
int serve(const Settings& settings);

/// `postern migrate`: brings the store's schema up to date and says what was done.
int migrate(const Settings& settings);

}  // namespace postern::control
