#include "relay/store/transfer/postgres_target.hpp"

#include <algorithm>

#include "relay/model.hpp"
#include "relay/store/dedupe_key.hpp"
#include "relay/store/rows.hpp"

namespace postern::relay::transfer {
namespace {

using pg::Array;
using pg::Params;
using pg::Type;

constexpr std::size_t kRowsWanted = 4'000;  // of one transaction
constexpr std::size_t kBytesWanted = 4U << 20;
constexpr int kTries = 5;

// Of two events with one key the first is the one that repeats are told of.
constexpr std::string_view kInsertKeys =
    "INSERT INTO dedupe (day, key, event_id, event_row, expires_at) SELECT * FROM unnest($1::int8[], "
    "$2::uuid[], "
    "$3::uuid[], $4::int8[], $5::int8[]) ON CONFLICT DO NOTHING";
constexpr std::string_view kInsertRepeats =
    "INSERT INTO event_duplicate (event_row, hits, last_at) SELECT * FROM unnest($1::int8[], $2::int8[], "
    "$3::int8[])";

Type type_of(Kind kind) {
  switch (kind) {
    case Kind::integer:
      return Type::int8;
    case Kind::text:
      return Type::text;
    case Kind::bytes:
      return Type::bytea;
    case Kind::id:
      break;
  }
  return Type::uuid;
}

std::string_view array_name(Kind kind) {
  switch (kind) {
    case Kind::integer:
      return "int8[]";
    case Kind::text:
      return "text[]";
    case Kind::bytes:
      return "bytea[]";
    case Kind::id:
      break;
  }
  return "uuid[]";
}

/// The server makes smaller integers of int8 by itself, and says so when one does not fit.
std::string insert_into(const Table& table) {
  std::string names, arrays;
  int number = 0;
  for (const Column& column : table.columns) {
    if (!column.from.empty()) continue;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", column.name);
    arrays += fmt::format("{}${}::{}", arrays.empty() ? "" : ", ", ++number, array_name(column.kind));
  }
  return fmt::format("INSERT INTO {} ({}) SELECT * FROM unnest({})", table.name, names, arrays);
}

void put(Array& array, Kind kind, const Field& field) {
  if (field.null) return array.add_null();
  if (kind == Kind::integer) return array.add(field.integer);
  array.add(field.bytes);
}

Params params_of(std::vector<Array>& arrays) {
  Params params;
  for (Array& array : arrays) params.add(std::move(array));
  arrays.clear();
  return params;
}

/// Where the columns are that a new form is made of.
struct EventPlaces {
  explicit EventPlaces(const Table& t) : table(t) {}
  const Table& table;
  std::size_t row = at("row"), id = at("id"), workspace = at("workspace_id"), source = at("source_id"),
              received = at("received_at"), key = at("dedupe_key"), until = at("dedupe_until"),
              hits = at("duplicate_hits"), last = at("duplicate_last_at");
  std::size_t at(std::string_view name) const { return column_named(table, name); }
};
struct DeliveryPlaces {
  explicit DeliveryPlaces(const Table& t) : table(t) {}
  const Table& table;
  std::size_t row = at("row"), event = at("event_row"), received = at("event_received_at"),
              state = at("state"), reason = at("reason"), next = at("next_at"), updated = at("updated_at");
  std::size_t at(std::string_view name) const { return column_named(table, name); }
};

std::int64_t event_row(std::int64_t number, std::int64_t received_at) {
  check_number(number);
  check_time(received_at);
  return Partitions::event_row_base(from_micros(received_at)) + number;
}

std::int64_t delivery_row(std::int64_t number) {
  check_number(number);
  return number << 1 | 1;  // as RowNumbers makes them
}

}  // namespace

void PostgresTarget::begin(std::size_t table) {
  table_ = table;
  for (const Column& column : tables()[table].columns) {
    if (column.from.empty()) columns_.emplace_back(type_of(column.kind));
  }
  for (const Type type : {Type::int8, Type::int8, Type::int8}) repeats_.emplace_back(type);
  for (const Type type : {Type::int8, Type::uuid, Type::uuid, Type::int8, Type::int8})
    keys_.emplace_back(type);
}

void PostgresTarget::add(std::size_t table, std::span<const Field> given) {
  static const std::size_t kEvent = table_named("event"), kDelivery = table_named("delivery"),
                           kAttempt = table_named("attempt");
  if (std::exchange(last_table_, table) != table) flush();
  if (rows_ >= kRowsWanted || bytes_ >= kBytesWanted) hand_over();
  if (!table_) begin(table);
  std::vector<Field> row(given.begin(), given.end());
  if (table == kEvent) adapt_event(row);
  if (table == kDelivery) adapt_delivery(row);
  if (table == kAttempt) adapt_attempt(row);
  std::size_t at = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const Column& column = tables()[table].columns[i];
    if (column.from.empty()) put(columns_[at++], column.kind, row[i]);
    bytes_ += 16 + row[i].bytes.size();
  }
  ++rows_;
}

void PostgresTarget::adapt_event(std::span<Field> row) {
  static const EventPlaces kAt(tables()[table_named("event")]);
  const std::int64_t number = row[kAt.row].integer, received = row[kAt.received].integer;
  const std::int64_t place = row[kAt.row].integer = event_row(number, received);
  const std::int64_t day = Partitions::day_of(from_micros(received));
  days_.insert(day);
  highest_ = std::max(highest_, number);
  if (!row[kAt.hits].null) {
    repeats_[0].add(place);
    repeats_[1].add(row[kAt.hits].integer);
    repeats_[2].add(row[kAt.last].null ? received : row[kAt.last].integer);
  }
  if (row[kAt.until].null || row[kAt.key].bytes.empty()) return;
  keys_[0].add(day);
  keys_[1].add(dedupe_digest(row[kAt.workspace].bytes, row[kAt.source].bytes, row[kAt.key].bytes));
  keys_[2].add(row[kAt.id].bytes);
  keys_[3].add(place);
  keys_[4].add(row[kAt.until].integer);
}

/// What was leased was due; its old time keeps the oldest first.
void PostgresTarget::adapt_delivery(std::span<Field> row) {
  static const DeliveryPlaces kAt(tables()[table_named("delivery")]);
  highest_ = std::max(highest_, row[kAt.row].integer);
  row[kAt.row].integer = delivery_row(row[kAt.row].integer);
  row[kAt.event].integer = event_row(row[kAt.event].integer, row[kAt.received].integer);
  if (row[kAt.state].integer != rows::number(DeliveryState::leased)) return;
  row[kAt.state].integer = rows::number(DeliveryState::pending);
  row[kAt.reason].bytes = "relay_restarted";
  row[kAt.next].integer = std::min(row[kAt.next].integer, to_micros(now_));
  row[kAt.updated].integer = to_micros(now_);
}

void PostgresTarget::adapt_attempt(std::span<Field> row) {
  static const std::size_t kRow = column_named(tables()[table_named("attempt")], "row");
  static const std::size_t kStarted = column_named(tables()[table_named("attempt")], "started_at");
  const std::int64_t number = row[kRow].integer % rows::kAttemptNumbers;
  row[kRow].integer =
      delivery_row(row[kRow].integer / rows::kAttemptNumbers) * rows::kAttemptNumbers + number;
  check_time(row[kStarted].integer);
  days_.insert(Partitions::day_of(from_micros(row[kStarted].integer)));
}

/// Rows of one table, for one transaction.
struct PostgresTarget::Packet {
  std::string insert;
  Params rows, repeats, keys;
  bool repeated, keyed;
  std::set<std::int64_t> days;
};

PostgresTarget::PostgresTarget(const std::vector<std::unique_ptr<pg::Connection>>& connections, Time now)
    : connection_(*connections.at(0)), now_(now) {
  for (const auto& connection : connections) senders_.push_back({connection.get(), {}});
}

/// Gives the rows to the sender whose turn it is, once it has done what it was given before.
void PostgresTarget::hand_over() {
  if (!table_) return;
  auto packet = std::make_shared<Packet>();
  packet->insert = insert_into(tables()[*table_]);
  packet->repeated = repeats_.front().size() > 0;
  packet->keyed = keys_.front().size() > 0;
  packet->rows = params_of(columns_);
  packet->repeats = params_of(repeats_);
  packet->keys = params_of(keys_);
  packet->days = std::exchange(days_, {});
  table_.reset();
  rows_ = bytes_ = 0;
  Sender& sender = senders_[turn_++ % senders_.size()];
  if (sender.busy.valid()) sender.busy.get();
  sender.busy = std::async(std::launch::async,
                           [this, &connection = *sender.connection, packet] { send(connection, *packet); });
}

void PostgresTarget::send(pg::Connection& connection, const Packet& packet) {
  for (const std::int64_t day : packet.days) partitions_.ensure(connection, day);
  std::vector<pg::Statement> statements = {{"BEGIN"}, {packet.insert, &packet.rows}};
  if (packet.repeated) statements.push_back({kInsertRepeats, &packet.repeats});
  if (packet.keyed) statements.push_back({kInsertKeys, &packet.keys});
  statements.push_back({"COMMIT"});
  for (int attempt = 1;; ++attempt) {
    try {
      connection.pipeline(statements);
      return;
    } catch (const pg::Failure& failure) {
      // Two senders that meet at keys which several events have.
      connection.rollback();
      if (!failure.collision() || attempt == kTries) throw;
    }
  }
}

void PostgresTarget::flush() {
  hand_over();
  for (Sender& sender : senders_) {
    if (sender.busy.valid()) sender.busy.get();
  }
}

}  // namespace postern::relay::transfer
