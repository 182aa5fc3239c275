#pragma once
#include <filesystem>
#include <memory>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "relay/store/sqlite/connection.hpp"
#include "relay/store/sqlite/siphash.hpp"
#include "relay/store/transfer/target.hpp"

namespace postern::relay::transfer {

/// The database of a directory that has none. It is made under another name (postern.db.import) and gets its
/// own in finish(): cut off, it is not there. Rows keep the numbers of the file; the first start of a relay
/// makes pending what was leased, as after any other end.
class SqliteTarget final : public Target {
 public:
  SqliteTarget(std::filesystem::path directory, Time now, Random& random);

  void start() override;
  void add(std::size_t table, std::span<const Field> row) override;
  void flush() override;
  Counts count() override;
  EventDigest digest() override;
  void finish() override;

 private:
  void insert(std::size_t table, std::span<const Field> row);
  void add_to_event(std::span<const Field> row);

  const std::filesystem::path directory_, file_;
  const Time now_;
  Random& random_;
  SipKey key_{};
  std::unique_ptr<sqlite::Connection> connection_;
  std::vector<std::string> inserts_;  ///< for each table
  std::size_t pending_ = 0;
};

}  // namespace postern::relay::transfer
