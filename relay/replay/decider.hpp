#pragma once
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <set>

#include "relay/overload/shedding.hpp"
#include "relay/replay/ahead.hpp"
#include "relay/routing/current_routes.hpp"

namespace postern::relay {

struct DeciderParts {
  Database& database;
  const CatalogHolder& catalog;
  CurrentRoutes routes;
  /// Brings the catalog up to what is committed: a replay must not run the routes as they were before its
  /// creation, which on this node they may still be.
  std::function<boost::asio::awaitable<Result<void>>()> refresh;
  const Clock& clock;
  Shedding* shedding = nullptr;  ///< null: nothing is ever put off
};

/// Asks the routes' programs about what the next step of a replay will come to: one event after the other, so
/// that a replay never takes more than one place of those that ingest needs, and for half a second or so, so
/// that others get their turn. One loop.
class ReplayDecider {
 public:
  explicit ReplayDecider(DeciderParts parts) : parts_(std::move(parts)) {}

  /// Errors are the store's.
  boost::asio::awaitable<Result<Decisions>> decide(ReplayRepository::Due which, PaceLimits limits);
  void stop() { stopping_ = true; }

 private:
  boost::asio::awaitable<Result<void>> refresh_for(ReplayId replay);
  boost::asio::awaitable<Result<Decision>> decide_one(Ahead next);
  bool must_end(SteadyTime end, std::size_t bytes) const;

  DeciderParts parts_;
  std::set<ReplayId> refreshed_;  ///< the catalog is no older than these
  bool stopping_ = false;
};

}  // namespace postern::relay
