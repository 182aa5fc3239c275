#include "relay/destination_policy.hpp"

namespace postern::relay {

std::string_view to_text(Ordering ordering) {
  if (ordering == Ordering::destination) return "destination";
  return ordering == Ordering::key ? "key" : "none";
}

std::optional<Ordering> ordering_from(std::string_view text) {
  if (text == "none") return Ordering::none;
  if (text == "destination") return Ordering::destination;
  if (text == "key") return Ordering::key;
  return std::nullopt;
}

}  // namespace postern::relay
