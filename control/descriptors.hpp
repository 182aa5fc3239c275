#pragma once
#include <cstddef>
#include <string_view>

namespace postern::control {

/// How many connections a listener may have: `wanted`, or the share of the open files this process may have
/// that leaves some for deliveries, the other listeners and the store. Strangers can fill a listener at will.
std::size_t affordable(std::size_t wanted, std::size_t open_files, std::size_t divisor);

/// The same for this process' limit; says in the log when it is less than was asked for.
std::size_t affordable_here(std::string_view listener, std::size_t wanted, std::size_t divisor);

}  // namespace postern::control
