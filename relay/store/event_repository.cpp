#include "relay/store/listing.hpp"
#include "relay/store/state_filter.hpp"

namespace postern::relay {
namespace {

/// Newest first by time of receipt; the row decides between equals.
struct Position {
  std::int64_t received_at = INT64_MAX;
  std::int64_t row = INT64_MAX;

  std::string to_text() const { return pack_numbers({received_at, row}); }
  static std::optional<Position> parse(const std::string& text) {
    if (text.empty()) return Position{};
    const auto numbers = unpack_numbers(text);
    if (!numbers || numbers->size() != 2) return std::nullopt;
    return Position{(*numbers)[0], (*numbers)[1]};
  }
};

struct Query {
  std::string sql;
  std::vector<Value> values;

  /// `condition` has {} where the value goes.
  void where(std::string_view condition, Value value) {
    values.push_back(std::move(value));
    sql += " AND " + fmt::format(fmt::runtime(condition), fmt::format("?{}", values.size()));
  }
};

Query listing_query(Transaction& tx, WorkspaceId workspace, const EventFilter& filter, Position below,
                    std::size_t limit) {
  Query query{.sql =
                  "SELECT e.id, e.source_id, e.type, e.verified, length(e.body), coalesce(u.hits, 0), "
                  "e.received_at, e.row, e.body_expired "
                  "FROM ",
              .values = {rows::id(workspace)}};
  const bool from_state = filter.status && few_in_state(tx, workspace, *filter.status);
  if (from_state) {
    query.sql += fmt::format("(SELECT DISTINCT event_row FROM delivery WHERE {}) s CROSS JOIN event e",
                             in_state(*filter.status));
  } else {
    query.sql += "event e";
  }
  query.sql += " LEFT JOIN event_duplicate u ON u.event_row = e.row WHERE e.workspace_id = ?1";
  if (from_state) query.sql += " AND e.row = s.event_row";
  if (filter.source_id) query.where("e.source_id = {}", rows::id(*filter.source_id));
  if (!filter.type.empty()) query.where("e.type <> '' AND e.type = {}", filter.type);
  if (filter.since) query.where("e.received_at >= {}", rows::time(*filter.since));
  if (filter.until) query.where("e.received_at < {}", rows::time(*filter.until));
  if (filter.status && !from_state) {
    query.where("EXISTS (SELECT 1 FROM delivery d WHERE d.event_row = e.row AND d.state = {})",
                rows::number(*filter.status));
  }
  query.where("e.received_at <= {}", below.received_at);
  query.sql += fmt::format(" AND (e.received_at < ?{0} OR e.row < ", query.values.size());
  query.values.emplace_back(below.row);
  query.sql +=
      fmt::format("?{}) ORDER BY e.received_at DESC, e.row DESC LIMIT {}", query.values.size(), limit);
  return query;
}

EventSummary summary_at(const Row& row) {
  return {.id = rows::id_at<EventId>(row, 0),
          .source_id = rows::id_at<SourceId>(row, 1),
          .type = rows::text_at(row, 2),
          .verified = row.integer(3) != 0,
          .body_size = static_cast<std::uint64_t>(row.integer(4)),
          .body_expired = row.integer(8) != 0,
          .duplicates = static_cast<std::uint64_t>(row.integer(5)),
          .received_at = rows::time_at(row, 6)};
}

}  // namespace

Result<StoredEvent> EventRepository::get(WorkspaceId workspace, EventId id) {
  static const std::string sql = fmt::format(
      "SELECT {}, coalesce(u.hits, 0) FROM event e LEFT JOIN event_duplicate u ON u.event_row = e.row "
      "WHERE e.id = ?1 AND e.workspace_id = ?2",
      rows::kEventColumns);
  auto found = find_one<StoredEvent>(tx_, sql, {rows::id(id), rows::id(workspace)}, [](const Row& row) {
    return StoredEvent{rows::event_at(row, 0), static_cast<std::uint64_t>(row.integer(rows::kEventWidth))};
  });
  if (!found) return std::unexpected(not_found("event"));
  return std::move(*found);
}

Listing<EventSummary> EventRepository::list(WorkspaceId workspace, const EventFilter& filter,
                                            const Page& page) {
  Listing<EventSummary> listing;
  const auto below = Position::parse(page.cursor);
  if (!below) return listing;
  const std::size_t limit = std::clamp<std::size_t>(page.limit, 1, 500);
  const Query query = listing_query(tx_, workspace, filter, *below, limit + 1);
  Position last;
  tx_.query(query.sql, query.values, [&](const Row& row) {
    if (listing.items.size() == limit) {
      listing.next_cursor = last.to_text();
      return;
    }
    last = {row.integer(6), row.integer(7)};
    listing.items.push_back(summary_at(row));
  });
  return listing;
}

}  // namespace postern::relay
