#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "relay/store/transfer/tables.hpp"

/// The file of `postern export`, byte by byte. Pure: nothing here does I/O.
///
///   file   = magic block… sha256
///   magic  = "postern\n"                                         8 bytes
///   block  = type(1) length(4) payload(length) crc(4)            CRC-32 of type, length and payload
///   sha256 = SHA-256 of everything before it                     32 bytes, the last ones of the file
///
/// Numbers are in network byte order. The first block is the header, the last one the end; between them rows,
/// table by table in the order of tables().
///
///   'H' header  JSON: format, schema, engine, program, made_at, tables with their columns and rows
///   'R' rows    table(1) count(4), then `count` rows
///   'E' end     JSON: rows of each table
///
/// A row is its columns one after the other: integer 8 bytes, id 16 bytes, text and bytes length(4) and so
/// many bytes. In front of a nullable one stands a byte, 0 (null, and nothing follows) or 1.
namespace postern::relay::transfer {

inline constexpr std::string_view kMagic = "postern\n";
inline constexpr unsigned kFormat = 1;
inline constexpr std::size_t kBlockHead = 1 + 4;
inline constexpr std::size_t kBlockTail = 4;
inline constexpr std::size_t kRowsHead = 1 + 4;
inline constexpr std::size_t kDigest = 32;
/// No row comes near it: PostgreSQL takes no value over 1 GB, and bodies are limited far below.
inline constexpr std::size_t kPayloadMost = 512U << 20;
inline constexpr std::size_t kRowsMost = 65'536;         ///< of one block
inline constexpr std::size_t kHeaderMost = 1U << 20;     ///< of 'H' and 'E'
inline constexpr std::size_t kPayloadWanted = 1U << 20;  ///< a block of rows is ended when it has passed this

enum class BlockType : char { header = 'H', rows = 'R', end = 'E' };

/// A value of a row; bytes are borrowed.
struct Field {
  bool null = false;
  std::int64_t integer = 0;
  std::string_view bytes;
};

/// Rows of each table, in the order of tables().
using Counts = std::vector<std::uint64_t>;

struct Header {
  unsigned schema = 0;  ///< number of the last migration
  std::string engine;   ///< "sqlite"
  std::string program;  ///< version of the program that wrote it
  Time made_at;
  Counts rows;
};

std::string block(BlockType type, std::string_view payload);

std::string header_json(const Header& header);
/// Errors: `transfer_damaged` (no such JSON), `transfer_newer` (another format), `transfer_columns`
/// (describes other tables or columns than this program has; says which).
Result<Header> header_from(std::string_view json);
std::string end_json(const Counts& rows);
Result<Counts> end_from(std::string_view json);

void put_field(std::string& out, const Column& column, const Field& field);
/// Takes one row off the front of `in` and appends its fields. False when it is no such row.
bool take_row(std::string_view& in, const Table& table, std::vector<Field>& fields);

}  // namespace postern::relay::transfer
