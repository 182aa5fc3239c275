#include "relay/store/state_filter.hpp"

#include "relay/store/listing.hpp"

namespace postern::relay {

std::string in_state(DeliveryState state) {
  // The number must stand in the text: a parameter would not match the index's condition.
  return fmt::format("workspace_id = ?1 AND state = {}", rows::number(state));
}

bool few_in_state(Transaction& tx, WorkspaceId workspace, DeliveryState state) {
  constexpr std::int64_t kFew = 10'000;
  if (state == DeliveryState::delivered) return false;  // the usual end: no index of its own, and never few
  // Indexes of open states lead with the destination: count all workspaces there, rather than read every row.
  const auto count = find_one<std::int64_t>(
      tx,
      is_terminal(state)
          ? fmt::format("SELECT count(*) FROM (SELECT 1 FROM delivery WHERE {} LIMIT {}) AS found",
                        in_state(state), kFew + 1)
          : fmt::format("SELECT count(*) FROM (SELECT 1 FROM delivery WHERE state = {} LIMIT {}) AS found",
                        rows::number(state), kFew + 1),
      is_terminal(state) ? std::vector<Value>{rows::id(workspace)} : std::vector<Value>{},
      [](const Row& row) { return row.integer(0); });
  return count.value_or(0) <= kFew;
}

}  // namespace postern::relay
