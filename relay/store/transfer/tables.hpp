#pragma once
#include <cstdint>
#include <span>
#include <string_view>

/// What a node consists of, as data: the tables and columns that a file of `postern export` holds. A new
/// column of the schema is one line in tables.cpp, and a test fails until it is there.
namespace postern::relay::transfer {

enum class Kind { integer, text, bytes, id };  ///< id: 16 bytes, a uuid in PostgreSQL

struct Column {
  std::string_view name;
  Kind kind;
  bool nullable = false;
  /// SQL that makes the value where it is not a column of this table: such a one is in the file only, and the
  /// importing side does with it what its engine asks for.
  std::string_view from = {};
};

struct Table {
  std::string_view name;
  std::span<const Column> columns;
  std::string_view from;  ///< "event t": what is read, the table itself as t. ?1 is the time of the export
  std::string_view rest;  ///< WHERE and ORDER BY
};

/// In the order of their foreign keys.
std::span<const Table> tables();

/// Places in tables(), for what needs more than copying.
std::size_t table_named(std::string_view name);
/// The place of a column; a fault when there is none.
std::size_t column_named(const Table& table, std::string_view name);

/// Settings that belong to one database and are not taken along: the secret of SQLite's fingerprints, and the
/// mark of an import that has not ended.
inline constexpr std::string_view kFingerprintSetting = "dedupe_key";
inline constexpr std::string_view kUnfinishedSetting = "import_unfinished";

}  // namespace postern::relay::transfer
