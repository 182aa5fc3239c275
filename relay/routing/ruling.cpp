#include "relay/routing/ruling.hpp"

#include <array>

namespace postern::relay {

std::string_view to_text(Fault fault) {
  static constexpr std::array<std::string_view, kFaults> kNames = {
      "invalid", "error", "shape", "too_large", "time", "memory", "crashed", "lost", "suspended"};
  return kNames[static_cast<std::size_t>(fault)];
}

}  // namespace postern::relay
