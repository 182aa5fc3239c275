#pragma once
#include <functional>
#include <vector>

#include "relay/store/event_log.hpp"
#include "relay/store/postgres/connection.hpp"

/// What every claim does with what it has found. For the files of PostgresEventLog.
namespace postern::relay::pg {

/// Rows of deliveries, and of their events.
struct Found {
  std::vector<std::int64_t> rows;  ///< in the order they go
  std::vector<std::int64_t> events;
  bool cut = false;  ///< there were more, but not so much may come into memory at once

  /// In the order they are added. False: no more is taken; what is left over is let go with the commit.
  bool add(std::int64_t row, std::int64_t event, std::int64_t bytes);

 private:
  std::size_t bytes_ = 0;
};

/// Finds and locks what is to be leased. Begins the transaction; the claim ends it.
using Search = std::function<Found(Connection&)>;

/// One claim on one connection. What it was about to lease stays readable after a failure.
struct Claim {
  Found found;
  bool committing = false;

  std::vector<LeasedDelivery> run(Connection& connection, const Search& search, int node, Time now);
};

}  // namespace postern::relay::pg
