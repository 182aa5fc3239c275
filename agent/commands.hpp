#pragma once
#include <istream>

#include "agent/options.hpp"

namespace postern::agent {

/// Exit status: 0 done; 1 it failed, and the reason is on standard error; 2 usage; 3 the relay refuses this
/// agent.
int run_command(const Options& options, std::istream& standard_input);

}  // namespace postern::agent
