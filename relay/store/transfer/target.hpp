#pragma once
#include <span>

#include "relay/store/transfer/event_digest.hpp"
#include "relay/store/transfer/format.hpp"

namespace postern::relay::transfer {

/// A new database that rows are put into. What the engine refuses throws StoreFault. One thread.
class Target {
 public:
  virtual ~Target() = default;
  /// Takes the place of whatever an import that was cut off has left behind.
  virtual void start() = 0;
  virtual void add(std::size_t table, std::span<const Field> row) = 0;
  /// What was added is in the database from here on.
  virtual void flush() = 0;
  /// As the database has them.
  virtual Counts count() = 0;
  virtual EventDigest digest() = 0;
  /// Durable, and open for a relay.
  virtual void finish() = 0;
};

/// What no engine could keep: throws StoreFault.
void check_number(std::int64_t row);   ///< of an event or a delivery: 1 … 2⁴⁰ - 1
void check_time(std::int64_t micros);  ///< of an event or an attempt: from 1970 on, not beyond 2500

}  // namespace postern::relay::transfer
