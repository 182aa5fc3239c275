#include "relay/store/replay_insert.hpp"

#include "relay/store/listing.hpp"

namespace postern::relay {

DeliveryId insert_replay(Transaction& tx, const NewReplay& replay, IdGenerator& ids, Time now, Time at) {
  const auto id = ids.of<DeliveryId>();
  auto made = tx.execute(
      "INSERT INTO delivery (id, workspace_id, event_row, source_id, destination_id, state, reason, "
      "attempt_count, "
      "tries, lease, next_at, replay_of, created_at, updated_at, payload, payload_headers, order_key) "
      "VALUES (?1, ?2, ?3, ?4, ?5, 0, '', 0, 0, 0, ?8, ?7, ?6, ?6, "
      "(SELECT b.payload FROM delivery b WHERE b.workspace_id = ?2 AND b.id = ?7), "
      "(SELECT b.payload_headers FROM delivery b WHERE b.workspace_id = ?2 AND b.id = ?7), "
      "coalesce((SELECT CASE t.ordering WHEN 0 THEN 0 WHEN 1 THEN 1 ELSE (SELECT b.order_key FROM delivery b "
      "WHERE b.workspace_id = ?2 AND b.id = ?7) END FROM destination t WHERE t.id = ?5), 0))",
      {rows::id(id), rows::id(replay.workspace_id), replay.event_row, rows::id(replay.source_id),
       rows::id(replay.destination_id), rows::time(now), rows::id(replay.replay_of), rows::time(at)});
  if (!made) throw StoreFault("a fresh delivery id was there already");
  return id;
}

void insert_decided(Transaction& tx, const NewReplay& replay, const NewDelivery& decided, Time now, Time at) {
  const Admission admission = decided.decided.value_or(Admission{});
  Value body = nullptr;
  Value headers = nullptr;
  if (decided.payload) {
    body = Blob{decided.payload->body};
    headers = Blob{pack_headers(decided.payload->headers)};
  }
  auto made = tx.execute(
      "INSERT INTO delivery (id, workspace_id, event_row, source_id, destination_id, state, reason, "
      "attempt_count, tries, lease, next_at, replay_of, created_at, updated_at, payload, payload_headers, "
      "order_key) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0, ?8, ?9, ?13, ?13, ?10, ?11, ?12)",
      {rows::id(decided.id), rows::id(replay.workspace_id), replay.event_row, rows::id(replay.source_id),
       rows::id(replay.destination_id), rows::number(admission.state), admission.reason, rows::time(at),
       rows::id(replay.replay_of), body, headers, decided.order_key, rows::time(now)});
  if (!made) throw StoreFault("a fresh delivery id was there already");
}

bool is_going(Transaction& tx, std::int64_t event_row) {
  return exists(tx, "SELECT 1 FROM retention_going WHERE from_row <= ?1 AND to_row > ?1", {event_row});
}

}  // namespace postern::relay
