#include "relay/store/transfer/format.hpp"

#include <boost/json.hpp>

#include "base/crypto.hpp"
#include "tunnel-proto/big_endian.hpp"

namespace postern::relay::transfer {
namespace {

namespace json = boost::json;

constexpr std::string_view kKinds[] = {"integer", "text", "bytes", "id"};

std::string described(const Column& column) {
  return fmt::format("{} {}{}", column.name, kKinds[static_cast<std::size_t>(column.kind)],
                     column.nullable ? "?" : "");
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail("transfer_damaged", fmt::format("The file is damaged: {}.", what));
}

std::optional<json::object> object_from(std::string_view text) {
  boost::system::error_code ec;
  json::value value = json::parse(json::string_view(text.data(), text.size()), ec);
  if (ec || !value.is_object()) return std::nullopt;
  return std::move(value.get_object());
}

std::optional<std::uint64_t> number_in(const json::object& object, std::string_view name) {
  const json::value* const found = object.if_contains(json::string_view(name.data(), name.size()));
  if (!found || !found->is_int64() || found->get_int64() < 0) return std::nullopt;
  return static_cast<std::uint64_t>(found->get_int64());
}

std::string text_in(const json::object& object, std::string_view name) {
  const json::value* const found = object.if_contains(json::string_view(name.data(), name.size()));
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

std::unexpected<Error> other_columns(const std::string& what) {
  return fail(
      "transfer_columns",
      fmt::format("The file is of another version of Postern: {}. Import it with the version that wrote "
                  "it; `postern migrate` of this one then brings the database up to date.",
                  what));
}

Result<void> check_columns(const Table& table, const json::object& found) {
  const json::value* const list = found.if_contains("columns");
  if (!list || !list->is_array()) return damaged("a table has no columns");
  const json::array& columns = list->get_array();
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string wanted = described(table.columns[i]);
    if (i >= columns.size()) return other_columns(fmt::format("{} lacks \"{}\"", table.name, wanted));
    if (!columns[i].is_string() || columns[i].get_string() != wanted)
      return other_columns(fmt::format("column {} of {} is not \"{}\"", i + 1, table.name, wanted));
  }
  if (columns.size() > table.columns.size())
    return other_columns(
        fmt::format("{} has {} columns, not {}", table.name, columns.size(), table.columns.size()));
  return {};
}

Result<Counts> check_tables(const json::array& found) {
  Counts rows;
  if (found.size() != tables().size())
    return other_columns(fmt::format("it has {} tables, not {}", found.size(), tables().size()));
  for (std::size_t i = 0; i < tables().size(); ++i) {
    const Table& table = tables()[i];
    if (!found[i].is_object()) return damaged("a table is not described");
    const json::object& entry = found[i].get_object();
    if (text_in(entry, "name") != table.name)
      return other_columns(fmt::format("table {} is not {}", i + 1, table.name));
    if (auto same = check_columns(table, entry); !same) return std::unexpected(same.error());
    const auto count = number_in(entry, "rows");
    if (!count) return damaged("the header does not say how many rows there are");
    rows.push_back(*count);
  }
  return rows;
}

bool take(std::string_view& in, std::size_t size, std::string_view& out) {
  if (in.size() < size) return false;
  out = in.substr(0, size);
  in.remove_prefix(size);
  return true;
}

bool take_value(std::string_view& in, Kind kind, Field& field) {
  std::string_view head;
  switch (kind) {
    case Kind::integer:
      if (!take(in, 8, head)) return false;
      field.integer = static_cast<std::int64_t>(tunnel::read_u64(head));
      return true;
    case Kind::id:
      return take(in, 16, field.bytes);
    case Kind::text:
    case Kind::bytes:
      return take(in, 4, head) && take(in, tunnel::read_u32(head), field.bytes);
  }
  return false;
}

}  // namespace

std::string block(BlockType type, std::string_view payload) {
  std::string out;
  out.reserve(kBlockHead + payload.size() + kBlockTail);
  out.push_back(static_cast<char>(type));
  tunnel::append_u32(out, static_cast<std::uint32_t>(payload.size()));
  out += payload;
  tunnel::append_u32(out, crc32(out));
  return out;
}

std::string header_json(const Header& header) {
  json::array list;
  for (std::size_t i = 0; i < tables().size(); ++i) {
    json::array columns;
    for (const Column& column : tables()[i].columns) columns.emplace_back(described(column));
    list.push_back(json::object{{"name", std::string(tables()[i].name)},
                                {"rows", static_cast<std::int64_t>(header.rows.at(i))},
                                {"columns", std::move(columns)}});
  }
  return json::serialize(json::object{{"format", kFormat},
                                      {"schema", header.schema},
                                      {"engine", header.engine},
                                      {"program", header.program},
                                      {"made_at", to_micros(header.made_at)},
                                      {"tables", std::move(list)}});
}

Result<Header> header_from(std::string_view text) {
  const auto object = object_from(text);
  if (!object) return damaged("its header is not JSON");
  const auto format = number_in(*object, "format");
  if (!format) return damaged("its header has no format number");
  if (*format != kFormat) {
    return fail("transfer_newer",
                fmt::format("The file has format {}, and this program reads format {}: use the version of "
                            "Postern that wrote it.",
                            *format, kFormat));
  }
  const auto schema = number_in(*object, "schema");
  const auto made_at = number_in(*object, "made_at");
  const json::value* const list = object->if_contains("tables");
  if (!schema || *schema > 1'000'000 || !made_at || !list || !list->is_array())
    return damaged("its header is incomplete");
  auto rows = check_tables(list->get_array());
  if (!rows) return std::unexpected(rows.error());
  return Header{.schema = static_cast<unsigned>(*schema),
                .engine = text_in(*object, "engine"),
                .program = text_in(*object, "program"),
                .made_at = from_micros(static_cast<std::int64_t>(*made_at)),
                .rows = std::move(*rows)};
}

std::string end_json(const Counts& rows) {
  json::object counts;
  for (std::size_t i = 0; i < tables().size(); ++i)
    counts[std::string(tables()[i].name)] = static_cast<std::int64_t>(rows.at(i));
  return json::serialize(json::object{{"rows", std::move(counts)}});
}

Result<Counts> end_from(std::string_view text) {
  const auto object = object_from(text);
  const json::value* const found = object ? object->if_contains("rows") : nullptr;
  if (!found || !found->is_object()) return damaged("its last block is not what ends such a file");
  Counts rows;
  for (const Table& table : tables()) {
    const auto count = number_in(found->get_object(), table.name);
    if (!count) return damaged(fmt::format("its last block does not count {}", table.name));
    rows.push_back(*count);
  }
  return rows;
}

void put_field(std::string& out, const Column& column, const Field& field) {
  if (column.nullable) out.push_back(field.null ? 0 : 1);
  if (field.null) {
    if (!column.nullable) throw std::logic_error(fmt::format("{} is null", column.name));
    return;
  }
  if (column.kind == Kind::integer) return tunnel::append_u64(out, static_cast<std::uint64_t>(field.integer));
  if (column.kind == Kind::id) {
    if (field.bytes.size() != 16) throw std::runtime_error(fmt::format("{} holds no id", column.name));
  } else {
    tunnel::append_u32(out, static_cast<std::uint32_t>(field.bytes.size()));
  }
  out += field.bytes;
}

bool take_row(std::string_view& in, const Table& table, std::vector<Field>& fields) {
  for (const Column& column : table.columns) {
    Field& field = fields.emplace_back();
    if (column.nullable) {
      std::string_view mark;
      if (!take(in, 1, mark) || static_cast<unsigned char>(mark[0]) > 1) return false;
      field.null = mark[0] == 0;
      if (field.null) continue;
    }
    if (!take_value(in, column.kind, field)) return false;
  }
  return true;
}

}  // namespace postern::relay::transfer
