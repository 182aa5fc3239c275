#pragma once
#include <boost/asio/awaitable.hpp>

#include <optional>
#include <string>

#include "control/api/fields.hpp"
#include "control/api/services.hpp"
#include "relay/routing/ruling.hpp"
#include "relay/store/event_log.hpp"

/// Filters and transforms as the API takes them, checks them and runs them.
namespace postern::control {

/// Programs of the API are run for a person who waits: with more patience than ingest has.
inline constexpr Duration kProgramsLimit = std::chrono::seconds(2);

/// `filter` and `transform`, each at most 8 KiB; empty or absent: none.
relay::RoutePrograms read_programs(Fields& fields);

/// nullopt when both compile; otherwise a 422 with what jq says, or a 503.
boost::asio::awaitable<std::optional<Problem>> check_programs(const ApiServices& services,
                                                              relay::RoutePrograms programs);

/// Deliveries of the event as its source's routes decide it now, to all destinations or one; new ids, nothing
/// is stored. Problems: 409 no_destination, 503.
boost::asio::awaitable<std::expected<std::vector<relay::NewDelivery>, Problem>> decide_routes(
    const ApiServices& services, std::shared_ptr<const relay::Event> event,
    std::optional<DestinationId> only);

}  // namespace postern::control
