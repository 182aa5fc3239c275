#pragma once
#include "relay/store/postgres/connection.hpp"

namespace postern::relay {

/// Numbers for rows, taken from the database in blocks, so that a group knows its rows before it is sent and
/// one round trip writes it. One thread. Numbers are not in order between threads and nodes: order is by id.
class RowNumbers {
 public:
  /// One that nobody else has, below 2⁴³.
  std::int64_t next(pg::Connection& connection) {
    if (used_ == kBlock) {
      block_ = connection.run("SELECT nextval('row_block')").integer(0, 0);
      used_ = 0;
    }
    return block_ * kBlock + used_++;
  }

  /// delivery.row: odd, because those made by the table's own default are even.
  static std::int64_t delivery_row(std::int64_t number) { return number << 1 | 1; }

 private:
  static constexpr std::int64_t kBlock = 4'096;
  std::int64_t block_ = 0;
  std::int64_t used_ = kBlock;
};

}  // namespace postern::relay
