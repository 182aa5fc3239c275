#pragma once
#include <span>
#include <string_view>

namespace postern::relay {

/// The candidate that takes the fewest edits to become; empty when none is near (more than a third of it
/// differs).
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace postern::relay
