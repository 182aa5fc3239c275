#pragma once
#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <vector>

#include "relay/routing/program_pool.hpp"
#include "relay/store/catalog.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

inline constexpr std::string_view kProgramsSuspended = "programs_suspended";

struct CurrentRoutesParts {
  ProgramPool& programs;
  IdGenerator& ids;
};

/// What the routes of a source make of an event that is stored already. Any thread.
class CurrentRoutes {
 public:
  explicit CurrentRoutes(CurrentRoutesParts parts) : parts_(parts) {}

  using Decided = Result<std::vector<NewDelivery>>;
  /// One delivery for each route that `catalog` has, or for the one to `only`, as its programs say: pending,
  /// or ended already. With new ids; nothing is stored. Empty: no route goes there. `programs_busy` when they
  /// could not be asked within `limit`; kProgramsSuspended with `patient`, when one of them was not run
  /// because it broke its limits too often just now (otherwise that is a failure as any other).
  boost::asio::awaitable<Decided> decide(std::shared_ptr<const Catalog> catalog,
                                         std::shared_ptr<const Event> event,
                                         std::optional<DestinationId> only, Duration limit,
                                         bool patient = false) const;

 private:
  struct Plan;
  Plan plan_for(const Catalog& catalog, const Event& event, std::optional<DestinationId> only) const;

  CurrentRoutesParts parts_;
};

}  // namespace postern::relay
