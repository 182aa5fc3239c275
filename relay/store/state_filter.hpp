#pragma once
#include "relay/model.hpp"
#include "relay/store/database.hpp"

/// Listing "newest first, in this state" can walk time and skip the others, or walk the state's own partial
/// index and sort. Which is fast depends on how many there are: few, and walking time reads millions of rows
/// for nothing.
namespace postern::relay {

/// A condition on `delivery`, with ?1 as the workspace, that the state's partial index answers.
std::string in_state(DeliveryState state);
/// True when there are so few that collecting and sorting all of them is the fast way. Costs a bounded look.
bool few_in_state(Transaction& tx, WorkspaceId workspace, DeliveryState state);

}  // namespace postern::relay
