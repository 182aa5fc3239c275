#include "relay/store/postgres/append_group.hpp"

#include <thread>

#include "base/log.hpp"
#include "relay/store/commit_order.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/leased_by_append.hpp"
#include "relay/store/rows.hpp"

namespace postern::relay {
namespace {

using pg::Array;
using pg::Params;
using pg::Type;

/// Nodes whose clocks differ by less than this never store one key twice around midnight.
constexpr Duration kMidnight = std::chrono::minutes(5);

// A key is claimed in the partition of its day, and looked for in all others. One that has expired is taken
// over.
constexpr std::string_view kClaimKeys =
    "INSERT INTO dedupe AS d (day, key, event_id, event_row, expires_at) "
    "SELECT $1, u.key, u.event_id, u.event_row, u.expires_at "
    "FROM unnest($2::uuid[], $3::uuid[], $4::int8[], $5::int8[]) AS u (key, event_id, event_row, expires_at) "
    "WHERE NOT EXISTS (SELECT 1 FROM dedupe o WHERE o.key = u.key AND o.day <> $1 AND o.expires_at > $6 "
    "AND o.event_row <> u.event_row) ORDER BY u.key "
    "ON CONFLICT (key, day) DO UPDATE SET event_id = EXCLUDED.event_id, event_row = EXCLUDED.event_row, "
    "expires_at = EXCLUDED.expires_at WHERE d.expires_at <= $6 RETURNING d.key";

constexpr std::string_view kInsertEvents =
    "INSERT INTO event (row, id, workspace_id, source_id, received_at, verified, type, dedupe_key, method, "
    "target, "
    "peer, headers, body) SELECT * FROM unnest($1::int8[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int8[], "
    "$6::int2[], $7::text[], $8::bytea[], $9::text[], $10::bytea[], $11::text[], $12::bytea[], $13::bytea[])";

constexpr std::string_view kInsertDeliveries =
    "INSERT INTO delivery (row, id, workspace_id, event_row, source_id, destination_id, state, reason, "
    "attempt_count, tries, lease, lease_node, next_at, created_at, updated_at, payload, payload_headers, "
    "order_key) "
    "SELECT u.row, u.id, u.workspace_id, u.event_row, u.source_id, u.destination_id, u.state, u.reason, 0, "
    "0, "
    "CASE u.state WHEN 1 THEN 1 ELSE 0 END, CASE u.state WHEN 1 THEN $9 ELSE 0 END, u.next_at, $10, $10, "
    "u.payload, u.payload_headers, u.order_key "
    "FROM unnest($1::int8[], $2::uuid[], $3::uuid[], $4::int8[], $5::uuid[], $6::uuid[], $7::int2[], "
    "$8::text[], "
    "$11::int8[], $12::bytea[], $13::bytea[], $14::int8[]) AS u (row, id, workspace_id, event_row, "
    "source_id, "
    "destination_id, "
    "state, reason, next_at, payload, payload_headers, order_key)";

// In the order of event_row, so that two groups never wait for each other in a circle.
constexpr std::string_view kCountRepeats =
    "WITH hit AS MATERIALIZED (SELECT u.key, u.hits, f.event_id, f.event_row "
    "  FROM unnest($1::uuid[], $2::int8[]) AS u (key, hits) CROSS JOIN LATERAL (SELECT event_id, event_row "
    "FROM "
    "  dedupe d WHERE d.key = u.key AND d.expires_at > $3 LIMIT 1) f), "
    "counted AS (INSERT INTO event_duplicate AS e (event_row, hits, last_at) "
    "  SELECT event_row, hits, $3 FROM hit ORDER BY event_row "
    "  ON CONFLICT (event_row) DO UPDATE SET hits = e.hits + EXCLUDED.hits, last_at = EXCLUDED.last_at) "
    "SELECT key, event_id FROM hit";

struct EventArrays {
  Array row{Type::int8}, id{Type::uuid}, workspace{Type::uuid}, source{Type::uuid}, received{Type::int8},
      verified{Type::int2}, type{Type::text}, dedupe{Type::bytea}, method{Type::text}, target{Type::bytea},
      peer{Type::text}, headers{Type::bytea}, body{Type::bytea};

  void add(std::int64_t at, const AppendTask& task) {
    const Event& event = *task.event.event;
    row.add(at);
    id.add(event.id.bytes());
    workspace.add(event.workspace_id.bytes());
    source.add(event.source_id.bytes());
    received.add(to_micros(event.received_at));
    verified.add(event.verified ? 1 : 0);
    type.add(event.type);
    dedupe.add(event.dedupe_key);
    method.add(event.method);
    target.add(event.target);
    peer.add(event.peer);
    headers.add(task.headers);
    body.add(event.body);
  }
  Params params() && {
    Params params;
    for (Array* array : {&row, &id, &workspace, &source, &received, &verified, &type, &dedupe, &method,
                         &target, &peer, &headers, &body})
      params.add(std::move(*array));
    return params;
  }
};

void add_payload(const Payload* payload, Array& bodies, Array& headers) {
  if (payload == nullptr) {
    bodies.add_null();
    return headers.add_null();
  }
  bodies.add(payload->body);
  headers.add(pack_headers(payload->headers));
}

}  // namespace

void AppendGroup::write(pg::Connection& connection, RowNumbers& numbers, Time now) {
  start(connection, numbers, now);
  claim_keys(connection, now);
  admit_new(connection, numbers, now);
  finish(connection, now);
}

void AppendGroup::start(pg::Connection& connection, RowNumbers& numbers, Time now) {
  rows_.clear();
  keys_.clear();
  outcomes_.clear();
  parked_for_.clear();
  some_not_leased_ = committing_ = false;
  const std::int64_t base = Partitions::event_row_base(now);
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    rows_.push_back(base + numbers.next(connection));
    if (tasks_[i].key.empty()) continue;
    const auto [found, fresh] = keys_.try_emplace(tasks_[i].key, Key{.first = i});
    if (!fresh) ++found->second.hits;
  }
}

/// Around midnight a key is claimed for the day before as well: a node whose clock is a little behind looks
/// there.
void AppendGroup::claim_keys(pg::Connection& connection, Time now) {
  const std::int64_t day = Partitions::day_of(now);
  if (keys_.empty()) {
    connection.run("BEGIN");
    return;
  }
  if (Partitions::day_of(now - kMidnight) == day) {
    claim_keys_of_day(connection, day, now, true);
    return;
  }
  const std::size_t before = claim_keys_of_day(connection, day - 1, now, true);
  if (claim_keys_of_day(connection, day, now, false) != before)
    throw pg::Failure("40001", "two nodes claimed one dedupe key on two days at once");
}

/// Of the keys that are still candidates. Returns how many are.
std::size_t AppendGroup::claim_keys_of_day(pg::Connection& connection, std::int64_t day, Time now,
                                           bool begin) {
  Array keys(Type::uuid), ids(Type::uuid), rows(Type::int8), expiries(Type::int8);
  for (auto& [key, entry] : keys_) {
    if (!begin && !entry.is_new) continue;
    const AppendTask& task = tasks_[entry.first];
    keys.add(key);
    ids.add(task.event.event->id.bytes());
    rows.add(rows_[entry.first]);
    expiries.add(to_micros(now + task.event.dedupe_window));
    entry.is_new = false;
  }
  Params params;
  params.add(day).add(std::move(keys)).add(std::move(ids)).add(std::move(rows)).add(std::move(expiries));
  params.add(to_micros(now));
  const pg::Statement statements[] = {{"BEGIN"}, {kClaimKeys, &params}};
  const auto answers = connection.pipeline(std::span(statements).subspan(begin ? 0 : 1));
  const pg::Rows& claimed = answers.back();
  for (std::size_t i = 0; i < claimed.size(); ++i) keys_.at(claimed.bytes(i, 0)).is_new = true;
  return claimed.size();
}

bool AppendGroup::is_stored(std::size_t task) const {
  if (tasks_[task].key.empty()) return true;
  const Key& key = keys_.at(tasks_[task].key);
  return key.is_new && key.first == task;
}

void AppendGroup::admit_new(pg::Connection& connection, RowNumbers& numbers, Time now) {
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (!is_stored(i)) continue;
    for (const NewDelivery& wanted : tasks_[i].event.deliveries) {
      const std::int64_t row = RowNumbers::delivery_row(numbers.next(connection));
      Admission admission = admission_of(wanted, *tasks_[i].event.event);
      const bool leased = admission.state == DeliveryState::leased;
      some_not_leased_ |= !leased && !is_terminal(admission.state);
      if (admission.state == DeliveryState::parked) parked_for_.push_back(wanted.destination_id);
      if (leased) leased_.push_back(leased_by_append(tasks_[i].event.event, wanted, admission, row, now));
      admitted_.push_back({i, &wanted, row, std::move(admission)});
    }
  }
}

Admission AppendGroup::admission_of(const NewDelivery& wanted, const Event& event) const {
  if (wanted.decided) return *wanted.decided;
  return intake_ ? intake_->admit(wanted, event) : Admission{};
}

void AppendGroup::withdraw() {
  for (const Admitted& one : admitted_) {
    if (one.admission.state == DeliveryState::leased && intake_)
      intake_->not_committed(*one.wanted, *tasks_[one.task].event.event);
  }
  admitted_.clear();
  leased_.clear();
}

std::vector<std::int64_t> AppendGroup::leased_rows() const {
  std::vector<std::int64_t> rows;
  rows.reserve(leased_.size());
  for (const LeasedDelivery& it : leased_) rows.push_back(LeaseToken::unpack(it.lease_token).row);
  return rows;
}

void AppendGroup::finish(pg::Connection& connection, Time now) {
  EventArrays events;
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (is_stored(i)) events.add(rows_[i], tasks_[i]);
  }
  Array row(Type::int8), id(Type::uuid), workspace(Type::uuid), event_row(Type::int8), source(Type::uuid),
      destination(Type::uuid), state(Type::int2), reason(Type::text), next_at(Type::int8),
      payload(Type::bytea), payload_headers(Type::bytea), order_key(Type::int8);
  for (const Admitted& one : admitted_) {
    const Event& event = *tasks_[one.task].event.event;
    row.add(one.row);
    id.add(one.wanted->id.bytes());
    workspace.add(event.workspace_id.bytes());
    event_row.add(rows_[one.task]);
    source.add(event.source_id.bytes());
    destination.add(one.wanted->destination_id.bytes());
    state.add(rows::number(one.admission.state));
    reason.add(one.admission.reason);
    next_at.add(to_micros(now + one.admission.wait));
    add_payload(one.wanted->payload.get(), payload, payload_headers);
    order_key.add(one.wanted->order_key);
  }
  Array hit_keys(Type::uuid), hits(Type::int8);
  for (const auto& [key, entry] : keys_) {
    const std::int64_t count = entry.hits + (entry.is_new ? 0 : 1);
    if (count == 0) continue;
    hit_keys.add(key);
    hits.add(count);
  }
  const bool repeats = hits.size() > 0;
  const bool deliveries = row.size() > 0;
  const bool any = events.row.size() > 0;
  const Params event_params = std::move(events).params();
  Params delivery_params;
  delivery_params.add(std::move(row)).add(std::move(id)).add(std::move(workspace)).add(std::move(event_row));
  delivery_params.add(std::move(source))
      .add(std::move(destination))
      .add(std::move(state))
      .add(std::move(reason));
  // Only now: what was admitted in a new term must not be leased under the number of the old one. The other
  // way round it comes back with its hand-over.
  node_ = leases_.id();
  delivery_params.add(node_)
      .add(to_micros(now))
      .add(std::move(next_at))
      .add(std::move(payload))
      .add(std::move(payload_headers))
      .add(std::move(order_key));
  Params hit_params;
  hit_params.add(std::move(hit_keys)).add(std::move(hits)).add(to_micros(now));
  std::vector<pg::Statement> statements;
  if (repeats) statements.push_back({kCountRepeats, &hit_params});
  if (any) statements.push_back({kInsertEvents, &event_params});
  if (deliveries) statements.push_back({kInsertDeliveries, &delivery_params});
  statements.push_back({"COMMIT"});
  committing_ = true;
  const auto answers = connection.pipeline(statements);
  answer(repeats ? &answers.front() : nullptr);
}

void AppendGroup::answer(const pg::Rows* firsts) {
  std::unordered_map<std::string_view, EventId> first_of;
  for (std::size_t i = 0; firsts && i < firsts->size(); ++i)
    first_of.emplace(firsts->bytes(i, 0), *EventId::from_bytes(firsts->bytes(i, 1)));
  for (std::size_t i = 0; i < tasks_.size(); ++i) {
    if (is_stored(i)) {
      outcomes_.push_back(Appended{tasks_[i].event.event->id, false});
      continue;
    }
    const auto found = first_of.find(tasks_[i].key);
    if (found != first_of.end())
      outcomes_.push_back(Appended{found->second, true});
    else  // it expired between the two statements
      outcomes_.push_back(fail("store_busy", "The event met its own repeat; send it again."));
  }
}

}  // namespace postern::relay
