#pragma once
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

/// Settings as a table: each one is a row with key, type, unit, default and help, and can be given in a TOML
/// file, in the environment and as a flag. "ingest.listen" is `listen` in the file's table [ingest],
/// POSTERN_INGEST_LISTEN in the environment and --ingest-listen on the command line. A flag wins over the
/// environment, the environment over the file, the file over the default.
namespace postern::config {

enum class Type {
  text,
  choice,    ///< one of Setting::choices
  boolean,   ///< true or false
  integer,   ///< within [least, most]
  duration,  ///< "250ms", "30s", "5m", "2h", "7d"
  size,      ///< bytes: 512, "64KiB", "10MiB"
  address,   ///< "host:port", IPv6 in brackets; port 0: the system chooses
  list,      ///< an array of text in the file; separated by commas elsewhere
};

struct Setting {
  std::string_view key;
  Type type = Type::text;
  std::string_view unit;          ///< for people: "host:port", "path", "threads"
  std::string_view default_text;  ///< as one would write it in the environment
  std::string_view help;          ///< one sentence
  std::string_view choices = {};  ///< Type::choice: "text|json"
  std::int64_t least = 0;  ///< integer, size (bytes) and duration (microseconds): the smallest value allowed
  std::int64_t most = INT64_MAX;
};

/// host and port of a listener or a peer. The host is a name, an IPv4 or an IPv6 address without brackets.
struct Address {
  std::string host;
  std::uint16_t port = 0;
  std::string to_string() const;  ///< IPv6 in brackets
  bool operator==(const Address&) const = default;
};

/// Errors say what was expected, with an example.
Result<Address> parse_address(std::string_view text);
Result<std::uint64_t> parse_size(std::string_view text);
std::string format_size(std::uint64_t bytes);  ///< the shortest exact form parse_size reads back

/// One value with the place it came from: "relay.toml:12", "POSTERN_LOOPS", "--loops" or "default".
struct Value {
  std::string text;
  std::vector<std::string> items;  ///< Type::list
  std::string origin;
};

/// A whole, checked set: every key of the table has a value of its type. Asking for a key that is not in the
/// table, or as another type than its own, is a bug and throws.
class Values {
 public:
  Values(std::span<const Setting> table, std::map<std::string, Value, std::less<>> values)
      : table_(table), values_(std::move(values)) {}

  const std::string& text(std::string_view key) const;  ///< text and choice
  bool boolean(std::string_view key) const;
  std::int64_t integer(std::string_view key) const;
  Duration duration(std::string_view key) const;
  std::uint64_t size(std::string_view key) const;
  Address address(std::string_view key) const;
  const std::vector<std::string>& list(std::string_view key) const;

  const std::string& origin(std::string_view key) const;

 private:
  const Value& at(std::string_view key, Type type) const;

  std::span<const Setting> table_;
  std::map<std::string, Value, std::less<>> values_;
};

struct Inputs {
  std::string file;  ///< path; empty: none
  std::vector<std::pair<std::string, std::string>>
      environment;                                         ///< all of it; names not ours are passed over
  std::vector<std::string> environment_ignored;            ///< names with our prefix that are somebody else's
  std::vector<std::pair<std::string, std::string>> flags;  ///< key ("ingest.listen") and text
};

/// Every problem found, one line each, with its place and, for an unknown key, the nearest known one.
using Problems = std::vector<std::string>;

std::expected<Values, Problems> resolve(std::span<const Setting> table, const Inputs& inputs);
/// The same with the file's content given; `inputs.file` is then only its name.
std::expected<Values, Problems> resolve_text(std::span<const Setting> table, const Inputs& inputs,
                                             std::string_view toml);

std::string environment_name(std::string_view key);  ///< POSTERN_INGEST_LISTEN
std::string flag_name(std::string_view key);         ///< --ingest-listen
/// The environment of this process as pairs.
std::vector<std::pair<std::string, std::string>> process_environment();
/// The candidate with the smallest edit distance, empty when none is near enough to be what was meant.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

/// A table in the making, for config_file.cpp: raw values by key as they are found.
struct Found {
  std::map<std::string, Value, std::less<>> values;
  Problems problems;
};
/// Reads TOML into `found`; nested tables become dotted keys. Unknown keys and unfitting types are problems.
void read_toml(std::span<const Setting> table, std::string_view toml, std::string_view file_name,
               Found& found);
std::string unknown_key(std::span<const Setting> table, std::string_view key);
const Setting* find_setting(std::span<const Setting> table, std::string_view key);

}  // namespace postern::config
