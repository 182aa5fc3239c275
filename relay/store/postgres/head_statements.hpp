#pragma once
#include <string_view>

/// What a claim along the order keys asks the server. For head_claims.cpp.
///
/// Each table access names the order of the one index it is meant for, and its bounds as that index has them:
/// sorting is forbidden on this connection, so the planner, which knows nothing of tables that were just
/// made, has no other choice. `state + 0 = 1` is the same for the index of what is leased.
namespace postern::relay::pg {

/// Without the lock the rest is for nothing.
inline constexpr std::string_view kLockHeads = "SELECT pg_try_advisory_xact_lock($1, $2)::int";

/// The snapshot of this statement, and what is open that the snapshot $2 did not show: what was stored by the
/// transactions that were under way then, and by those that began later. Nothing with a null. Nothing that is
/// visible was stored later than this snapshot, unless the database was restored from another server's dump:
/// such rows carry that one's numbers, would be news every time, and are left to the walks.
inline constexpr std::string_view kNewsOfHeads =
    "SELECT pg_current_snapshot()::text, NULL::int8, NULL::uuid UNION ALL "
    "SELECT NULL, n.order_key, n.id FROM ("
    "  SELECT d.order_key, d.id FROM pg_snapshot_xip($2::pg_snapshot) AS under_way (xid) CROSS JOIN LATERAL ("
    "    SELECT order_key, id FROM delivery WHERE destination_id = $1 AND born >= under_way.xid AND "
    "    born <= under_way.xid AND state <= 2 AND order_key <> 0 ORDER BY born) d"
    "  UNION ALL "
    "  (SELECT order_key, id FROM delivery WHERE destination_id = $1 AND "
    "    born >= pg_snapshot_xmax($2::pg_snapshot) AND born < pg_snapshot_xmax(pg_current_snapshot()) AND "
    "    state <= 2 AND order_key <> 0 ORDER BY born)"
    "  LIMIT $3) n";

/// From one key to the next, a few steps down an index each. claimable: 1, or 0 for one that is not due; else
/// the node that holds it, negative.
inline constexpr std::string_view kWalkHeads =
    "WITH RECURSIVE head (key, claimable, next_at, tries, id, taken, looked) AS ("
    "  SELECT $2::int8, 0, 0::int8, 0, NULL::uuid, 0, 0"
    "  UNION ALL"
    "  SELECT n.key, n.claimable, n.next_at, n.tries, n.id, "
    "    h.taken + CASE WHEN n.claimable = 1 THEN 1 ELSE 0 END, h.looked + 1 FROM head h CROSS JOIN LATERAL ("
    "    SELECT d.order_key AS key, d.id, d.next_at, d.tries, CASE "
    "      WHEN l.lease_node IS NOT NULL THEN -l.lease_node "
    "      WHEN d.state = 2 OR d.next_at <= $3 THEN 1 ELSE 0 END AS claimable"
    "    FROM delivery d LEFT JOIN LATERAL (SELECT o.lease_node FROM delivery o WHERE o.destination_id = $1 "
    "      AND (o.order_key, o.id) >= (d.order_key, d.id) AND o.order_key <= d.order_key AND o.state + 0 = 1 "
    "      AND o.order_key <> 0 ORDER BY o.order_key, o.id LIMIT 1) l ON true"
    "    WHERE d.destination_id = $1 AND d.order_key > h.key AND d.order_key <> 0 AND d.state <= 2"
    "    ORDER BY d.order_key, d.id LIMIT 1) n"
    "  WHERE h.taken < $4 AND h.looked < $5) "
    "SELECT key, claimable, next_at, tries, id FROM head WHERE looked > 0";

/// The same along the keys $2, from the ids $3. id: null, nothing of the key is open.
inline constexpr std::string_view kGuidedHeads =
    "WITH RECURSIVE head (n, claimable, next_at, tries, id, taken) AS ("
    "  SELECT 0, 0, 0::int8, 0, NULL::uuid, 0"
    "  UNION ALL"
    "  SELECT h.n + 1, f.claimable, f.next_at, f.tries, f.id, "
    "    h.taken + CASE WHEN f.claimable = 1 THEN 1 ELSE 0 END FROM head h LEFT JOIN LATERAL ("
    "    SELECT d.id, d.next_at, d.tries, CASE "
    "      WHEN l.lease_node IS NOT NULL THEN -l.lease_node "
    "      WHEN d.state = 2 OR d.next_at <= $4 THEN 1 ELSE 0 END AS claimable"
    "    FROM delivery d LEFT JOIN LATERAL (SELECT o.lease_node FROM delivery o WHERE o.destination_id = $1 "
    "      AND (o.order_key, o.id) >= (d.order_key, d.id) AND o.order_key <= d.order_key AND o.state + 0 = 1 "
    "      AND o.order_key <> 0 ORDER BY o.order_key, o.id LIMIT 1) l ON true"
    "    WHERE d.destination_id = $1 AND (d.order_key, d.id) >= (($2::int8[])[h.n + 1], ($3::uuid[])[h.n + "
    "1])"
    "      AND d.order_key <= ($2::int8[])[h.n + 1] AND d.order_key <> 0 AND d.state <= 2"
    "    ORDER BY d.order_key, d.id LIMIT 1) f ON true"
    "  WHERE h.taken < $5 AND h.n < cardinality($2::int8[])) "
    "SELECT ($2::int8[])[n], claimable, next_at, tries, id FROM head WHERE n > 0";

/// Of each key $2 up to $3 of the oldest, numbered, from $4 or what has been stored since the snapshot $5;
/// then what of them is locked and may be leased.
inline constexpr std::string_view kRunsOfHeads =
    "WITH news AS MATERIALIZED ("
    "  SELECT d.order_key, d.id FROM pg_snapshot_xip($5::pg_snapshot) AS under_way (xid) CROSS JOIN LATERAL ("
    "    SELECT order_key, id FROM delivery WHERE destination_id = $1 AND born >= under_way.xid AND "
    "    born <= under_way.xid AND state <= 2 AND order_key <> 0 ORDER BY born) d"
    "  UNION ALL "
    "  (SELECT order_key, id FROM delivery WHERE destination_id = $1 AND "
    "    born >= pg_snapshot_xmax($5::pg_snapshot) AND born < pg_snapshot_xmax(pg_current_snapshot()) AND "
    "    state <= 2 AND order_key <> 0 ORDER BY born)), "
    "wanted AS MATERIALIZED (SELECT k.key, k.run, LEAST(k.head, "
    "    (SELECT (array_agg(n.id ORDER BY n.id))[1] FROM news n WHERE n.order_key = k.key)) AS head "
    "  FROM unnest($2::int8[], $3::int8[], $4::uuid[]) AS k (key, run, head)) "
    "SELECT d.row, d.event_row, octet_length(e.body) + COALESCE(octet_length(d.payload), 0), r.key, r.nth "
    "FROM (SELECT w.key, o.row, o.id, o.nth FROM wanted w CROSS JOIN LATERAL ("
    "    SELECT f.row, f.id, row_number() OVER (ORDER BY f.order_key, f.id) AS nth FROM ("
    "      SELECT row, order_key, id FROM delivery WHERE destination_id = $1 AND (order_key, id) >= (w.key, "
    "w.head) AND order_key <= w.key AND order_key <> 0 AND state <= 2 ORDER BY order_key, id LIMIT w.run) f"
    "    ) o) r "
    "JOIN delivery d ON d.row = r.row JOIN event e ON e.row = d.event_row "
    "WHERE d.state = 2 OR (d.state = 0 AND d.next_at <= $6) ORDER BY r.nth, r.id LIMIT $7 "
    "FOR UPDATE OF d SKIP LOCKED";

}  // namespace postern::relay::pg
