// The walk of a replay: deliveries in order of their ids, looked at in bounded pieces.
#include "relay/store/listing.hpp"
#include "relay/store/reason_filter.hpp"
#include "relay/store/replay_insert.hpp"
#include "relay/store/replay_repository.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kCounted = 50'000;
constexpr std::size_t kSampled = 5;

struct Walk {
  std::string sql;
  std::vector<Value> values;

  std::string parameter(Value value) {
    values.push_back(std::move(value));
    return fmt::format("?{}", values.size());
  }
};

/// What the outer query asks of a delivery d and its event e.
std::string conditions(Walk& walk, const ReplayFilter& filter, ReplayConfiguration configuration,
                       std::optional<ReplayId> self) {
  std::string sql = fmt::format("d.created_at < {}", walk.parameter(rows::time(filter.until)));
  if (filter.since) sql += fmt::format(" AND d.created_at >= {}", walk.parameter(rows::time(*filter.since)));
  if (filter.source_id)
    sql += fmt::format(" AND d.source_id = {}", walk.parameter(rows::id(*filter.source_id)));
  if (filter.destination_id)
    sql += fmt::format(" AND d.destination_id = {}", walk.parameter(rows::id(*filter.destination_id)));
  if (!filter.reason.empty()) sql += fmt::format(" AND {}", reason_is(filter.reason, walk.values));
  if (!filter.type.empty()) sql += fmt::format(" AND e.type = {}", walk.parameter(filter.type));
  // What a route's programs settled has no bytes that could be sent again.
  if (configuration == ReplayConfiguration::original) {
    sql +=
        " AND d.reason <> 'filtered' AND d.reason NOT LIKE 'filter_failed%' AND d.reason NOT LIKE "
        "'transform_failed%'";
  }
  // Whatever the clocks of several nodes say, a replay never meets what it has made itself.
  if (self) {
    sql += fmt::format(
        " AND NOT EXISTS (SELECT 1 FROM replay_delivery r WHERE r.replay_id = {} AND r.delivery_id = d.id)",
        walk.parameter(rows::id(*self)));
  }
  // Of a chain of replays the last one counts.
  return sql +
         " AND NOT EXISTS (SELECT 1 FROM delivery n WHERE n.event_row = d.event_row AND n.replay_of = d.id)";
}

/// The inner query follows one index and is bounded whatever the filter finds.
Walk walk_of(WorkspaceId workspace, const ReplayFilter& filter, ReplayConfiguration configuration,
             DeliveryId after, std::size_t limit, std::optional<ReplayId> self = std::nullopt) {
  Walk walk;
  walk.values = {rows::id(workspace), rows::id(after),
                 rows::id(id_at_time<DeliveryId>(filter.until + kIdSlack)), static_cast<std::int64_t>(limit)};
  const std::string matches = conditions(walk, filter, configuration, self);
  walk.sql = fmt::format(
      "SELECT d.id, d.event_row, d.source_id, d.destination_id, CASE WHEN {} THEN 1 ELSE 0 END AS matches, "
      "CASE WHEN EXISTS (SELECT 1 FROM retention_going g WHERE g.from_row <= d.event_row AND g.to_row > "
      "d.event_row) THEN 1 "
      "ELSE coalesce(e.body_expired, 1) END AS expired, CASE WHEN EXISTS (SELECT 1 FROM destination t WHERE "
      "t.id = "
      "d.destination_id AND t.workspace_id = ?1) THEN 0 ELSE 1 END AS gone "
      "FROM (SELECT id, event_row, source_id, destination_id, reason, created_at FROM delivery WHERE "
      "workspace_id = ?1 "
      "AND state = {} AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?4) d LEFT JOIN event e ON e.row = "
      "d.event_row",
      matches, rows::number(filter.state));
  return walk;
}

ReplayCandidate candidate_at(const Row& row) {
  return {.id = rows::id_at<DeliveryId>(row, 0),
          .event_row = row.integer(1),
          .source_id = rows::id_at<SourceId>(row, 2),
          .destination_id = rows::id_at<DestinationId>(row, 3),
          .matches = row.integer(4) != 0,
          .body_expired = row.integer(5) != 0,
          .destination_gone = row.integer(6) != 0};
}

}  // namespace

/// Where the walk begins: before every id made since then.
DeliveryId ReplayRepository::start_of(const ReplayFilter& filter) {
  return filter.since ? id_at_time<DeliveryId>(*filter.since - kIdSlack) : DeliveryId{};
}

std::vector<ReplayCandidate> ReplayRepository::next(const Replay& replay, std::size_t limit) {
  Walk walk =
      walk_of(replay.workspace_id, replay.filter, replay.configuration, replay.cursor, limit, replay.id);
  std::vector<ReplayCandidate> found;
  tx_.query(walk.sql + " ORDER BY d.id", walk.values,
            [&](const Row& row) { found.push_back(candidate_at(row)); });
  return found;
}

std::shared_ptr<const Event> ReplayRepository::event(WorkspaceId workspace, const ReplayCandidate& of) {
  static const std::string sql =
      fmt::format("SELECT {} FROM event e WHERE e.row = ?1 AND e.workspace_id = ?2", rows::kEventColumns);
  auto found = find_one<Event>(tx_, sql, {of.event_row, rows::id(workspace)},
                               [](const Row& row) { return rows::event_at(row, 0); });
  return found ? std::make_shared<const Event>(std::move(*found)) : nullptr;
}

std::optional<RouteBasis> ReplayRepository::basis(const ReplayCandidate& of) {
  return find_one<RouteBasis>(
      tx_,
      "SELECT r.filter, r.transform, t.ordering, t.ordering_key FROM route r JOIN destination t ON t.id = "
      "r.destination_id WHERE r.source_id = ?1 AND r.destination_id = ?2 AND r.enabled = 1",
      {rows::id(of.source_id), rows::id(of.destination_id)}, [](const Row& row) {
        return RouteBasis{rows::text_at(row, 0), rows::text_at(row, 1), rows::enum_at(row, 2, Ordering::key),
                          rows::text_at(row, 3)};
      });
}

std::optional<RouteBasis> route_basis(const Catalog& catalog, SourceId source, DestinationId destination) {
  const auto routes = catalog.routes_by_source.find(source);
  const auto to = catalog.destinations.find(destination);
  if (routes == catalog.routes_by_source.end() || to == catalog.destinations.end()) return std::nullopt;
  const auto route =
      std::ranges::find(routes->second, destination, [](const auto& each) { return each->destination_id; });
  if (route == routes->second.end()) return std::nullopt;
  return RouteBasis{(*route)->filter, (*route)->transform, to->second->ordering, to->second->ordering_key};
}

ReplayCount ReplayRepository::count(WorkspaceId workspace, const ReplayFilter& filter,
                                    ReplayConfiguration configuration) {
  Walk walk = walk_of(workspace, filter, configuration, start_of(filter), kCounted);
  ReplayCount count;
  tx_.query(fmt::format("SELECT count(*), coalesce(sum(w.matches), 0) FROM ({}) w", walk.sql), walk.values,
            [&](const Row& row) {
              count.cut = row.integer(0) == static_cast<std::int64_t>(kCounted);
              count.matching = static_cast<std::uint64_t>(row.integer(1));
            });
  std::vector<DeliveryId> sampled;
  tx_.query(fmt::format("SELECT w.id FROM ({} ORDER BY d.id) w WHERE w.matches = 1 ORDER BY w.id LIMIT {}",
                        walk.sql, kSampled),
            walk.values, [&](const Row& row) { sampled.push_back(rows::id_at<DeliveryId>(row, 0)); });
  for (const DeliveryId& id : sampled) {
    if (auto delivery = DeliveryRepository(tx_).get(workspace, id))
      count.sample.push_back(std::move(*delivery));
  }
  return count;
}

}  // namespace postern::relay
