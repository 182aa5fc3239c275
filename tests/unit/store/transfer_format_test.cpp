// The file of `postern export`: what is written is read, and nothing else is.
#include <gmock/gmock.h>

#include "base/file.hpp"
#include "relay/store/transfer/reader.hpp"
#include "relay/store/transfer/writer.hpp"
#include "tests/unit/store/store_fixture.hpp"
#include "tunnel-proto/big_endian.hpp"

namespace postern::relay::transfer {
namespace {

std::string all_bytes() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

/// A row for a table whose values hold every byte; `number` makes it another one.
std::vector<Field> sample(const Table& table, std::int64_t number, bool nulls) {
  static const std::string kBytes = all_bytes();
  std::vector<Field> row;
  for (const Column& column : table.columns) {
    Field field;
    field.null = nulls && column.nullable;
    if (column.kind == Kind::integer && !field.null) field.integer = number - (number % 2 ? 0 : INT64_MAX);
    if (column.kind == Kind::id && !field.null)
      field.bytes = std::string_view(kBytes).substr(static_cast<std::size_t>(number) % 200, 16);
    if ((column.kind == Kind::text || column.kind == Kind::bytes) && !field.null) field.bytes = kBytes;
    row.push_back(field);
  }
  return row;
}

class TransferFormatTest : public ::testing::Test {
 protected:
  static Header header() {
    return {.schema = 7,
            .engine = "sqlite",
            .program = "1.2.3",
            .made_at = from_micros(99),
            .rows = Counts(tables().size(), 2)};
  }
  /// Two rows of every table, one of them with nulls.
  std::string file() {
    const auto path = dir.path() / fmt::format("file{}", ++files);
    auto writer = Writer::create(path).value();
    writer->header(header());
    for (std::size_t i = 0; i < tables().size(); ++i) {
      writer->row(i, sample(tables()[i], 3, false));
      writer->row(i, sample(tables()[i], 4, true));
    }
    writer->finish();
    return read_file(path).value();
  }
  /// "" when the file is sound, else the code of the error.
  static std::string verdict(std::string_view text) {
    TextSource source(text);
    Reader reader(source);
    const auto head = reader.header();
    if (!head) return head.error().code;
    RowBlock rows;
    while (true) {
      const auto more = reader.next(rows);
      if (!more) return more.error().code;
      if (!*more) return "";
    }
  }
  /// A file of these blocks, with the digest that belongs to it.
  static std::string whole(const std::vector<std::string>& blocks) {
    std::string text(kMagic);
    for (const std::string& block : blocks) text += block;
    return text + sha256(text);
  }
  static std::string head() { return block(BlockType::header, header_json(header())); }
  static std::string end(std::uint64_t workspaces = 0) {
    Counts counts(tables().size());
    counts[0] = workspaces;
    return block(BlockType::end, end_json(counts));
  }
  static std::string rows(std::size_t table, std::uint32_t claimed, std::uint32_t real) {
    std::string payload(1, static_cast<char>(table));
    tunnel::append_u32(payload, claimed);
    const auto row = sample(tables()[std::min(table, tables().size() - 1)], 1, false);
    for (std::uint32_t i = 0; i < real; ++i) {
      for (std::size_t c = 0; c < row.size(); ++c)
        put_field(payload, tables()[std::min(table, tables().size() - 1)].columns[c], row[c]);
    }
    return block(BlockType::rows, payload);
  }

  TempDir dir;
  int files = 0;
};

TEST_F(TransferFormatTest, EveryTableAndEveryByteIsReadAsItWasWritten) {
  const std::string text = file();
  TextSource source(text);
  Reader reader(source);
  const auto head = reader.header();
  ASSERT_TRUE(head) << head.error().message;
  EXPECT_EQ(head->schema, 7U);
  EXPECT_EQ(head->engine, "sqlite");
  EXPECT_EQ(head->program, "1.2.3");
  EXPECT_EQ(head->made_at, from_micros(99));
  EXPECT_EQ(head->rows, Counts(tables().size(), 2));
  RowBlock block;
  for (std::size_t table = 0; table < tables().size(); ++table) {
    ASSERT_TRUE(reader.next(block).value());
    ASSERT_EQ(block.table, table);
    ASSERT_EQ(block.rows(), 2U);
    for (std::size_t number = 0; number < 2; ++number) {
      const auto wanted = sample(tables()[table], static_cast<std::int64_t>(number) + 3, number == 1);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const Field& found = block.row(number)[i];
        EXPECT_EQ(found.null, wanted[i].null)
            << tables()[table].name << "." << tables()[table].columns[i].name;
        EXPECT_EQ(found.integer, wanted[i].integer);
        EXPECT_EQ(found.bytes, wanted[i].bytes);
      }
    }
  }
  EXPECT_FALSE(reader.next(block).value());
  EXPECT_EQ(reader.bytes(), text.size());
}

TEST_F(TransferFormatTest, CutOffAnywhereItIsRefused) {
  const std::string text = file();
  for (std::size_t size = 0; size < text.size(); size += size < 6'000 ? 1 : 37)
    ASSERT_EQ(verdict(std::string_view(text).substr(0, size)), "transfer_damaged") << size;
  EXPECT_EQ(verdict(text), "");
}

TEST_F(TransferFormatTest, OneBentBitIsFoundWhereverItIs) {
  std::string text = file();
  for (std::size_t at = 0; at < text.size(); at += at < 6'000 ? 1 : 37) {
    text[at] = static_cast<char>(text[at] ^ 1 << at % 8);
    ASSERT_EQ(verdict(text), "transfer_damaged") << at;
    text[at] = static_cast<char>(text[at] ^ 1 << at % 8);
  }
}

TEST_F(TransferFormatTest, NothingMayFollowTheEnd) {
  EXPECT_EQ(verdict(whole({head(), end()})), "");
  EXPECT_EQ(verdict(whole({head(), end()}) + "x"), "transfer_damaged");
}

TEST_F(TransferFormatTest, BlocksHaveTheirPlace) {
  EXPECT_EQ(verdict(whole({head(), rows(0, 1, 1), end(1)})), "");
  EXPECT_EQ(verdict(whole({rows(0, 1, 1), end(1)})), "transfer_damaged");          // no header
  EXPECT_EQ(verdict(whole({head(), head(), end()})), "transfer_damaged");          // two
  EXPECT_EQ(verdict(whole({head(), rows(0, 1, 1), end(2)})), "transfer_damaged");  // a row is missing
  EXPECT_EQ(verdict(whole({head(), rows(1, 1, 1), rows(0, 1, 1), end(1)})), "transfer_damaged");
  EXPECT_EQ(verdict(whole({head(), rows(200, 1, 1), end()})), "transfer_damaged");
}

TEST_F(TransferFormatTest, CountsThatLieAreFound) {
  EXPECT_EQ(verdict(whole({head(), rows(0, 2, 1), end(1)})), "transfer_damaged");
  EXPECT_EQ(verdict(whole({head(), rows(0, 1, 2), end(1)})), "transfer_damaged");
  EXPECT_EQ(verdict(whole({head(), rows(0, 0, 0), end(0)})), "transfer_damaged");
  EXPECT_EQ(verdict(whole({head(), rows(0, kRowsMost + 1, 1), end(0)})), "transfer_damaged");
}

TEST_F(TransferFormatTest, ALengthThatLiesIsRefusedAtOnce) {
  for (const std::uint32_t size :
       {std::uint32_t{kPayloadMost} + 1, 0xffffffffU, std::uint32_t{kPayloadMost}}) {
    std::string text(kMagic);
    text += head() + "R";
    tunnel::append_u32(text, size);
    EXPECT_EQ(verdict(text + "short"), "transfer_damaged") << size;
  }
  std::string text(kMagic);
  text += "H";
  tunnel::append_u32(text, kHeaderMost + 1);
  EXPECT_EQ(verdict(text + std::string(kHeaderMost + 100, 'x')), "transfer_damaged");
}

TEST_F(TransferFormatTest, OtherVersionsAreToldApart) {
  const auto with = [](std::string json, std::string_view part, std::string_view other) {
    const auto at = json.find(part);
    EXPECT_NE(at, json.npos) << part;
    return whole({block(BlockType::header, json.replace(at, part.size(), other)), end()});
  };
  const std::string json = header_json(header());
  EXPECT_EQ(verdict(with(json, "\"format\":1", "\"format\":2")), "transfer_newer");
  EXPECT_EQ(verdict(with(json, "\"name text\"", "\"title text\"")), "transfer_columns");
  EXPECT_EQ(verdict(with(json, ",\"created_at integer\"]", "]")), "transfer_columns");
  EXPECT_EQ(verdict(with(json, ",\"created_at integer\"]", ",\"created_at integer\",\"x id\"]")),
            "transfer_columns");
  EXPECT_EQ(verdict(with(json, "\"tables\":[", "\"tables\":[{},")), "transfer_columns");
  EXPECT_EQ(verdict(with(json, "\"schema\":7", "\"schema\":\"7\"")), "transfer_damaged");
  EXPECT_EQ(verdict(whole({block(BlockType::header, "[]"), end()})), "transfer_damaged");
}

TEST_F(TransferFormatTest, ARowOutsideItsBoundsIsRefused) {
  const Table& table = tables()[table_named("agent")];
  std::string row;
  const auto fields = sample(table, 1, false);
  for (std::size_t i = 0; i < fields.size(); ++i) put_field(row, table.columns[i], fields[i]);
  std::vector<Field> found;
  std::string_view in(row);
  EXPECT_TRUE(take_row(in, table, found));
  EXPECT_TRUE(in.empty());
  for (std::size_t size = 0; size < row.size(); ++size) {
    std::string_view part = std::string_view(row).substr(0, size);
    found.clear();
    ASSERT_FALSE(take_row(part, table, found)) << size;
  }
  EXPECT_THROW(put_field(row, {"id", Kind::id}, {.null = true, .integer = 0, .bytes = {}}), std::logic_error);
  EXPECT_THROW(put_field(row, {"id", Kind::id}, {.null = false, .integer = 0, .bytes = "x"}),
               std::runtime_error);
}

TEST_F(TransferFormatTest, ManyRowsMakeManyBlocks) {
  const auto path = dir.path() / "many";
  auto writer = Writer::create(path).value();
  writer->header(header());
  const std::size_t table = table_named("audit");
  for (int i = 0; i < 3'000; ++i) writer->row(table, sample(tables()[table], i + 1, false));
  writer->finish();
  auto source = FileSource::open(path).value();
  Reader reader(source);
  ASSERT_TRUE(reader.header());
  RowBlock block;
  std::size_t blocks = 0;
  while (reader.next(block).value()) ++blocks;
  EXPECT_GT(blocks, 2U);
  EXPECT_EQ(reader.rows()[table], 3'000U);
  EXPECT_EQ(source.size(), reader.bytes());
}

TEST_F(TransferFormatTest, AFileIsThereWholeOrNotAtAll) {
  const auto path = dir.path() / "kept";
  {
    auto writer = Writer::create(path).value();
    writer->header(header());
    EXPECT_TRUE(std::filesystem::exists(path.string() + ".part"));
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
  auto writer = Writer::create(path).value();
  writer->header(header());
  writer->finish();
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
  const auto again = Writer::create(path);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, "transfer_unwritable");
  EXPECT_EQ(Writer::create(dir.path() / "no" / "such").error().code, "transfer_unwritable");
  EXPECT_EQ(FileSource::open(dir.path()).error().code, "transfer_unreadable");
  EXPECT_EQ(FileSource::open(dir.path() / "none").error().code, "transfer_unreadable");
}

}  // namespace
}  // namespace postern::relay::transfer
