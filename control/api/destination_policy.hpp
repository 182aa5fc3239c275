#pragma once
#include <boost/json.hpp>

#include "control/api/fields.hpp"
#include "control/api/services.hpp"
#include "relay/model.hpp"

/// rate_limit, ordering and breaker of a destination, as the API reads and shows them.
namespace postern::control {

/// What is absent stays as it is, also inside rate_limit and breaker.
void read_policy(Fields& fields, relay::Destination& destination);
/// Adds the three fields to what is shown of a destination.
void show_policy(boost::json::object& shown, const relay::Destination& destination);
/// How its breaker stands.
boost::json::object view(const BreakerStatus& breaker);

}  // namespace postern::control
