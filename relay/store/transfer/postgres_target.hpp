#pragma once
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.hpp"
#include "relay/store/postgres/connection.hpp"
#include "relay/store/postgres/partitions.hpp"
#include "relay/store/transfer/target.hpp"

namespace postern::relay::transfer {

/// A migrated PostgreSQL database. Rows go in as arrays, some thousands to a transaction, without waiting for
/// the disk: a mark in store_setting keeps every relay away until finish(), whose commit makes all of it
/// durable.
///
/// Numbers are those of the file, in the form that migrations/postgres asks for: event.row with its hour in
/// front, delivery.row odd. Deliveries that were leased are pending: whoever had them is gone.
class PostgresTarget final : public Target {
 public:
  /// At least one, all to the same database; they outlive this object.
  PostgresTarget(const std::vector<std::unique_ptr<pg::Connection>>& connections, Time now);

  /// Errors: `database_not_empty` (says what is there), `relay_running`, `import_running`. Good until the
  /// connection ends: no second import gets past it.
  Result<void> check_empty();

  void start() override;
  void add(std::size_t table, std::span<const Field> row) override;
  void flush() override;
  Counts count() override;
  EventDigest digest() override;
  void finish() override;

 private:
  struct Packet;
  struct Sender {
    pg::Connection* connection;
    std::future<void> busy;
  };

  bool unfinished();
  void begin(std::size_t table);
  void hand_over();
  void send(pg::Connection& connection, const Packet& packet);
  void adapt_event(std::span<Field> row);
  void adapt_delivery(std::span<Field> row);
  void adapt_attempt(std::span<Field> row);

  pg::Connection& connection_;  ///< for all that is not rows: the first one
  const Time now_;
  Partitions partitions_;
  std::int64_t highest_ = 0;  ///< number of an event or a delivery

  // The rows that are not yet sent, all of one table, and the days whose partitions they go to.
  std::optional<std::size_t> table_;
  std::size_t last_table_ = 0;  ///< the one that rows last came for
  std::vector<pg::Array> columns_, repeats_, keys_;
  std::set<std::int64_t> days_;
  std::size_t rows_ = 0, bytes_ = 0;

  std::vector<Sender> senders_;  // what they do refers to the members above
  std::size_t turn_ = 0;
};

}  // namespace postern::relay::transfer
