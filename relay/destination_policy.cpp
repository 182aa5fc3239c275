#include "relay/destination_policy.hpp"

namespace postern::relay {

std::string_view to_text(Ordering ordering) {
  return ordering == Ordering::destination ? "destination" : "none";
}

std::optional<Ordering> ordering_from(std::string_view text) {
  if (text == "none") return Ordering::none;
  if (text == "destination") return Ordering::destination;
  return std::nullopt;
}

}  // namespace postern::relay
