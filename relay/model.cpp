#include "relay/model.hpp"

#include <array>

namespace postern::relay {
namespace {

// In the order of the enumerators.
constexpr std::array<std::string_view, 4> kKinds = {"http", "agent", "slack", "nats"};
constexpr std::array<std::string_view, 6> kStates = {"pending",   "leased", "parked",
                                                     "delivered", "dead",   "cancelled"};
constexpr std::array<std::string_view, 4> kOutcomes = {"delivered", "rejected", "not_sent", "maybe_sent"};
constexpr std::array<std::string_view, 3> kAgentStates = {"enrolling", "enrolled", "revoked"};

template <class Enum, std::size_t N>
std::optional<Enum> from(const std::array<std::string_view, N>& names, std::string_view text) {
  for (std::size_t i = 0; i < N; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_text(DestinationKind kind) {
  return kKinds[static_cast<std::size_t>(kind)];
}
std::string_view to_text(DeliveryState state) {
  return kStates[static_cast<std::size_t>(state)];
}
std::string_view to_text(Outcome outcome) {
  return kOutcomes[static_cast<std::size_t>(outcome)];
}
std::string_view to_text(AgentState state) {
  return kAgentStates[static_cast<std::size_t>(state)];
}

std::optional<DestinationKind> destination_kind_from(std::string_view text) {
  return from<DestinationKind>(kKinds, text);
}
std::optional<DeliveryState> delivery_state_from(std::string_view text) {
  return from<DeliveryState>(kStates, text);
}
std::optional<Outcome> outcome_from(std::string_view text) {
  return from<Outcome>(kOutcomes, text);
}
std::optional<AgentState> agent_state_from(std::string_view text) {
  return from<AgentState>(kAgentStates, text);
}

bool settled_by_route(std::string_view reason) {
  return reason == "filtered" || reason.starts_with("filter_failed") ||
         reason.starts_with("transform_failed");
}

}  // namespace postern::relay
