#include "relay/store/listing.hpp"
#include "relay/store/reason_filter.hpp"

namespace postern::relay {
namespace {

constexpr std::int64_t kLookedAt = 100'000;

struct Counted {
  std::string sql;
  std::vector<Value> values;

  void where(std::string_view condition, Value value) {
    values.push_back(std::move(value));
    sql += fmt::format(fmt::runtime(condition), values.size());
  }
};

/// The inner query is bounded and follows the index of the state; the outer one filters.
Counted counting(WorkspaceId workspace, const DeliveryFilter& filter, DeliveryState state) {
  const DeliveryId least = filter.since ? id_at_time<DeliveryId>(*filter.since - kIdSlack) : DeliveryId{};
  Counted query{
      .sql = fmt::format("SELECT d.reason, count(*) FROM (SELECT reason, event_row, source_id, "
                         "destination_id, created_at FROM delivery WHERE workspace_id = ?1 AND state = {} "
                         "AND id >= ?2 ORDER BY id DESC LIMIT {}) d",
                         rows::number(state), kLookedAt),
      .values = {rows::id(workspace), rows::id(least)}};
  if (!filter.type.empty()) query.sql += " JOIN event e ON e.row = d.event_row";
  query.sql += " WHERE d.created_at >= 0";
  if (!filter.type.empty()) query.where(" AND e.type = ?{}", filter.type);
  if (!filter.reason.empty()) query.sql += " AND " + reason_is(filter.reason, query.values);
  if (filter.source_id) query.where(" AND d.source_id = ?{}", rows::id(*filter.source_id));
  if (filter.destination_id) query.where(" AND d.destination_id = ?{}", rows::id(*filter.destination_id));
  if (filter.since) query.where(" AND d.created_at >= ?{}", rows::time(*filter.since));
  if (filter.until) query.where(" AND d.created_at < ?{}", rows::time(*filter.until));
  query.sql += " GROUP BY d.reason";
  return query;
}

bool more_than_looked_at(Transaction& tx, WorkspaceId workspace, DeliveryState state) {
  const auto count = find_one<std::int64_t>(
      tx,
      fmt::format(
          "SELECT count(*) FROM (SELECT 1 FROM delivery WHERE workspace_id = ?1 AND state = {} LIMIT {}) s",
          rows::number(state), kLookedAt + 1),
      {rows::id(workspace)}, [](const Row& row) { return row.integer(0); });
  return count.value_or(0) > kLookedAt;
}

}  // namespace

DeliverySummary DeliveryRepository::summary(WorkspaceId workspace, const DeliveryFilter& filter) {
  DeliverySummary summary;
  for (const DeliveryState state : {DeliveryState::dead, DeliveryState::cancelled}) {
    if (filter.state && *filter.state != state) continue;
    const Counted query = counting(workspace, filter, state);
    tx_.query(query.sql, query.values, [&](const Row& row) {
      summary.reasons.push_back({state, rows::text_at(row, 0), static_cast<std::uint64_t>(row.integer(1))});
    });
    summary.cut |= more_than_looked_at(tx_, workspace, state);
  }
  std::ranges::sort(summary.reasons, std::ranges::greater(), &ReasonCount::count);
  return summary;
}

}  // namespace postern::relay
