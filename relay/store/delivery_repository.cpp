#include "base/bytes.hpp"
#include "relay/store/listing.hpp"
#include "relay/store/reason_filter.hpp"
#include "relay/store/replay_insert.hpp"
#include "relay/store/state_filter.hpp"

namespace postern::relay {
namespace {

/// Asked for when it is shown, and never stored: so it is never out of date.
constexpr std::string_view kIsBehind =
    "d.state = 0 AND d.order_key <> 0 AND EXISTS (SELECT 1 FROM delivery o WHERE o.destination_id = "
    "d.destination_id AND o.order_key = d.order_key AND o.order_key <> 0 AND o.state <= 2 AND o.id < d.id)";

/// kDeliveryColumns, with the reason of one that waits for an older one of its key.
const std::string& shown_columns() {
  static const std::string columns = [] {
    std::string text(rows::kDeliveryColumns);
    constexpr std::string_view kReason = "d.reason";
    return text.replace(text.find(kReason), kReason.size(),
                        fmt::format("CASE WHEN {} THEN '{}' ELSE d.reason END", kIsBehind, kBehindOlder));
  }();
  return columns;
}

const std::string& select_delivery() {
  static const std::string sql =
      fmt::format("SELECT {}, d.row FROM delivery d JOIN event e ON e.row = d.event_row", shown_columns());
  return sql;
}

struct FoundDelivery {
  Delivery delivery;
  std::int64_t row = 0;
};

std::optional<FoundDelivery> find(Transaction& tx, WorkspaceId workspace, DeliveryId id) {
  return find_one<FoundDelivery>(tx, select_delivery() + " WHERE d.workspace_id = ?1 AND d.id = ?2",
                                 {rows::id(workspace), rows::id(id)}, [](const Row& row) {
                                   return FoundDelivery{rows::delivery_at(row, 0),
                                                        row.integer(rows::kDeliveryWidth)};
                                 });
}

Attempt attempt_at(const Row& row, DeliveryId id) {
  Attempt attempt;
  attempt.delivery_id = id;
  attempt.number = static_cast<unsigned>(row.integer(0) % rows::kAttemptNumbers);
  attempt.outcome = rows::enum_at(row, 1, Outcome::maybe_sent);
  attempt.counted = row.integer(2) != 0;
  attempt.error_code = rows::text_at(row, 3);
  attempt.error_message = rows::text_at(row, 4);
  attempt.url = rows::text_at(row, 5);
  attempt.response_status = static_cast<int>(row.integer(6));
  attempt.response_truncated = row.integer(7) != 0;
  attempt.dns = rows::duration_at(row, 8);
  attempt.connect = rows::duration_at(row, 9);
  attempt.tls = rows::duration_at(row, 10);
  attempt.first_byte = rows::duration_at(row, 11);
  attempt.total = rows::duration_at(row, 12);
  attempt.started_at = rows::time_at(row, 13);
  attempt.response_headers = rows::headers_at(row, 14);
  attempt.response_body = rows::blob_at(row, 15);
  return attempt;
}

struct EventRow {
  std::int64_t row = 0;
  SourceId source_id;
  bool expired = false;
};

EventRow event_row_at(const Row& row) {
  return {row.integer(0), rows::id_at<SourceId>(row, 1), row.integer(2) != 0};
}

std::optional<EventRow> find_event(Transaction& tx, WorkspaceId workspace, EventId event) {
  return find_one<EventRow>(
      tx, "SELECT row, source_id, body_expired FROM event WHERE id = ?1 AND workspace_id = ?2",
      {rows::id(event), rows::id(workspace)}, event_row_at);
}

/// Nothing is sent in place of what is not there any more.
Result<void> still_whole(Transaction& tx, const EventRow& event) {
  if (!event.expired && !is_going(tx, event.row)) return {};
  return fail("body_expired",
              "The body of this event is past its retention and was removed: there is nothing left to send.");
}

bool destination_exists(Transaction& tx, WorkspaceId workspace, DestinationId id) {
  return exists(tx, "SELECT 1 FROM destination WHERE id = ?1 AND workspace_id = ?2",
                {rows::id(id), rows::id(workspace)});
}

/// A destination the event went to and that is still there.
struct Earlier {
  DestinationId destination_id;
  DeliveryId latest;
  std::optional<DeliveryId> latest_sent;  ///< the latest that its route's programs did not settle
};

/// In the order in which the event first went there.
std::vector<Earlier> earlier_deliveries(Transaction& tx, const EventRow& event) {
  std::vector<Earlier> found;
  tx.query(
      "SELECT d.destination_id, d.id, d.reason FROM delivery d JOIN destination t ON t.id = d.destination_id "
      "WHERE d.event_row = ?1 ORDER BY d.id",
      {event.row}, [&](const Row& row) {
        const auto destination = rows::id_at<DestinationId>(row, 0);
        auto place = std::ranges::find(found, destination, &Earlier::destination_id);
        if (place == found.end()) place = found.insert(found.end(), Earlier{destination, {}, {}});
        place->latest = rows::id_at<DeliveryId>(row, 1);
        if (!settled_by_route(row.text(2))) place->latest_sent = place->latest;
      });
  return found;
}

std::unexpected<Error> nothing_to_repeat() {
  return fail(
      "not_replayable",
      "The route's filter or transform settled this before anything was sent, so there is nothing to send "
      "again. Replay the event with configuration \"current\" (--configuration current): that runs the "
      "routes as they are now.");
}

}  // namespace

Result<Delivery> DeliveryRepository::get(WorkspaceId workspace, DeliveryId id) {
  auto found = find(tx_, workspace, id);
  if (!found) return std::unexpected(not_found("delivery"));
  return std::move(found->delivery);
}

std::shared_ptr<const Payload> DeliveryRepository::payload(WorkspaceId workspace, DeliveryId id) {
  auto found = find_one<std::shared_ptr<const Payload>>(
      tx_, "SELECT payload, payload_headers FROM delivery WHERE workspace_id = ?1 AND id = ?2",
      {rows::id(workspace), rows::id(id)}, [](const Row& row) { return rows::payload_at(row, 0); });
  return found.value_or(nullptr);
}

std::vector<Attempt> DeliveryRepository::attempts(WorkspaceId workspace, DeliveryId id) {
  std::vector<Attempt> attempts;
  const auto delivery = find(tx_, workspace, id);
  if (!delivery) return attempts;
  tx_.query(
      "SELECT row, outcome, counted, error_code, error_message, url, response_status, response_truncated, "
      "dns, connect, "
      "tls, first_byte, total, started_at, response_headers, response_body FROM attempt "
      "WHERE row BETWEEN ?1 AND ?2 ORDER BY row",
      {rows::attempt_row(delivery->row, 0), rows::attempt_row(delivery->row, ~0U)},
      [&](const Row& row) { attempts.push_back(attempt_at(row, id)); });
  return attempts;
}

Listing<Delivery> DeliveryRepository::list(WorkspaceId workspace, const DeliveryFilter& filter,
                                           const Page& page) {
  std::string sql = fmt::format("SELECT {} FROM ", shown_columns());
  const bool from_state = filter.state && !filter.event_id && few_in_state(tx_, workspace, *filter.state);
  if (from_state) {
    sql += fmt::format("(SELECT row AS r FROM delivery WHERE {}) s CROSS JOIN delivery d",
                       in_state(*filter.state));
  } else {
    sql += "delivery d";
  }
  sql += " JOIN event e ON e.row = d.event_row WHERE d.workspace_id = ?1 AND d.id < ?2";
  if (from_state) sql += " AND d.row = s.r";
  std::vector<Value> more;
  const auto where = [&](std::string_view condition, Value value) {
    more.push_back(std::move(value));
    sql += fmt::format(fmt::runtime(condition), more.size() + 3);
  };
  if (filter.event_id) {
    where(" AND d.event_row = (SELECT row FROM event WHERE id = ?{} AND workspace_id = ?1)",
          rows::id(*filter.event_id));
  }
  if (filter.destination_id) where(" AND d.destination_id = ?{}", rows::id(*filter.destination_id));
  if (filter.source_id) where(" AND d.source_id = ?{}", rows::id(*filter.source_id));
  if (!filter.type.empty()) where(" AND e.type = ?{}", filter.type);
  if (filter.reason == kBehindOlder)
    sql += fmt::format(" AND {}", kIsBehind);
  else if (!filter.reason.empty())
    sql += " AND " + reason_is(filter.reason, more, 3);
  if (filter.since) {
    where(" AND d.created_at >= ?{}", rows::time(*filter.since));
    where(" AND d.id >= ?{}", rows::id(id_at_time<DeliveryId>(*filter.since - kIdSlack)));
  }
  if (filter.until) {
    where(" AND d.created_at < ?{}", rows::time(*filter.until));
    where(" AND d.id < ?{}", rows::id(id_at_time<DeliveryId>(*filter.until + kIdSlack)));
  }
  if (filter.replay_id)
    where(" AND EXISTS (SELECT 1 FROM replay_delivery r WHERE r.replay_id = ?{} AND r.delivery_id = d.id)",
          rows::id(*filter.replay_id));
  if (filter.state && !from_state) sql += fmt::format(" AND d.state = {}", rows::number(*filter.state));
  sql += " ORDER BY d.id DESC LIMIT ?3";
  return list_by_id<Delivery>(
      tx_, sql, workspace, page, [](const Row& row) { return rows::delivery_at(row, 0); }, std::move(more));
}

Result<std::vector<DeliveryId>> DeliveryRepository::replay(WorkspaceId workspace, EventId event,
                                                           std::optional<DestinationId> destination,
                                                           IdGenerator& ids, Time now) {
  const auto found = find_event(tx_, workspace, event);
  if (!found) return std::unexpected(not_found("event"));
  if (auto whole = still_whole(tx_, *found); !whole) return std::unexpected(whole.error());
  if (destination && !destination_exists(tx_, workspace, *destination)) {
    return std::unexpected(not_found("destination"));
  }
  std::vector<DeliveryId> made;
  bool had = false;
  for (const Earlier& earlier : earlier_deliveries(tx_, *found)) {
    if (destination && earlier.destination_id != *destination) continue;
    had = true;
    if (!earlier.latest_sent) continue;
    made.push_back(insert_replay(
        tx_, {workspace, found->row, found->source_id, earlier.destination_id, earlier.latest_sent}, ids, now,
        now));
  }
  if (had && made.empty()) return nothing_to_repeat();
  if (destination && !had) {
    made.push_back(
        insert_replay(tx_, {workspace, found->row, found->source_id, *destination}, ids, now, now));
  }
  return made;
}

Result<void> DeliveryRepository::replay_as(WorkspaceId workspace, EventId event,
                                           const std::vector<NewDelivery>& deliveries, Time now) {
  const auto found = find_event(tx_, workspace, event);
  if (!found) return std::unexpected(not_found("event"));
  if (auto whole = still_whole(tx_, *found); !whole) return whole;
  const auto earlier = earlier_deliveries(tx_, *found);
  for (const NewDelivery& delivery : deliveries) {
    if (!destination_exists(tx_, workspace, delivery.destination_id)) {
      return std::unexpected(not_found("destination"));
    }
    const auto before = std::ranges::find(earlier, delivery.destination_id, &Earlier::destination_id);
    insert_decided(tx_,
                   {workspace, found->row, found->source_id, delivery.destination_id,
                    before == earlier.end() ? std::nullopt : std::optional(before->latest)},
                   delivery, now, now);
  }
  return {};
}

Result<DeliveryId> DeliveryRepository::retry(WorkspaceId workspace, DeliveryId id, IdGenerator& ids,
                                             Time now) {
  const auto found = find(tx_, workspace, id);
  if (!found) return std::unexpected(not_found("delivery"));
  const Delivery& delivery = found->delivery;
  switch (delivery.state) {
    case DeliveryState::leased:
      return fail("not_retryable", "The delivery is being tried right now.");
    case DeliveryState::delivered:
      return fail("not_retryable", "The delivery has arrived; replay the event to send it again.");
    case DeliveryState::pending:
    case DeliveryState::parked: {
      auto due = tx_.execute(
          "UPDATE delivery SET state = 0, reason = 'retry_requested', next_at = ?2, updated_at = ?2 "
          "WHERE row = ?1 AND state IN (0, 2)",
          {found->row, rows::time(now)});
      if (!due) return std::unexpected(due.error());
      if (*due == 0) return fail("not_retryable", "The delivery is being tried right now.");
      return id;
    }
    case DeliveryState::dead:
    case DeliveryState::cancelled:
      break;
  }
  if (settled_by_route(delivery.reason)) {
    auto error = nothing_to_repeat();
    error.error().code = "not_retryable";
    return error;
  }
  if (!destination_exists(tx_, workspace, delivery.destination_id))
    return std::unexpected(not_found("destination"));
  const auto event = find_one<EventRow>(
      tx_,
      "SELECT e.row, e.source_id, e.body_expired FROM delivery d JOIN event e ON e.row = d.event_row "
      "WHERE d.row = ?1",
      {found->row}, event_row_at);
  if (auto whole = still_whole(tx_, *event); !whole) return std::unexpected(whole.error());
  return insert_replay(tx_, {workspace, event->row, event->source_id, delivery.destination_id, id}, ids, now,
                       now);
}

}  // namespace postern::relay
