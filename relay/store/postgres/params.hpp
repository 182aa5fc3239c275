#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "relay/store/database.hpp"

namespace postern::relay::pg {

/// Types by PostgreSQL's own numbers (pg_type.h), which never change.
enum class Type : std::uint32_t {
  unknown = 0,
  boolean = 16,
  bytea = 17,
  int8 = 20,
  int2 = 21,
  int4 = 23,
  text = 25,
  uuid = 2950
};

/// A one-dimensional array in the binary format, built element by element: how many rows travel in one
/// statement.
class Array {
 public:
  explicit Array(Type element);
  void add(std::int64_t value);  ///< of int2, int4 and int8
  void add(std::string_view bytes);
  void add_null();
  std::size_t size() const { return count_; }
  /// The finished parameter; the array is not used after it.
  std::string take() &&;

 private:
  Type element_;
  std::uint32_t count_ = 0;
  bool nulls_ = false;
  std::string bytes_;
};

/// The parameters of one statement. Text goes through valid_text(): a server in UTF-8 takes nothing else.
class Params {
 public:
  Params() = default;
  explicit Params(const std::vector<Value>& values);

  Params& add(std::int64_t value);
  Params& add_text(std::string_view value);
  /// Bytes of a bytea or the 16 of a uuid, whichever the statement wants there.
  Params& add_bytes(std::string_view value);
  Params& add_null();
  Params& add(Array array);

  int size() const { return static_cast<int>(entries_.size()); }
  std::vector<const char*> values() const;
  std::vector<int> lengths() const;
  std::vector<int> formats() const;

 private:
  struct Entry {
    std::string bytes;
    bool null = false;
    int format = 0;
  };
  std::vector<Entry> entries_;
};

/// What PostgreSQL would refuse as text (a zero byte, bytes that are no UTF-8) becomes U+FFFD. Bodies,
/// headers and targets are not text: they are kept as they came.
std::string valid_text(std::string_view text);

/// "?1" of the repositories as "$1".
std::string with_dollars(std::string_view sql);

}  // namespace postern::relay::pg
