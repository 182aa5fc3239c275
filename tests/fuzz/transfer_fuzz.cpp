// A file given to `postern import`: whatever is in it, it is read within bounds or refused with a reason. The
// checksums would keep the fuzzer out, so that the first byte says what is made of the rest: a file as it is,
// or blocks that are given the checksums they should have.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/crypto.hpp"
#include "relay/store/transfer/reader.hpp"

namespace postern::relay::transfer {
namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

/// type(1) length(2) payload…, again and again.
std::string mended(std::string_view input) {
  std::string text(kMagic);
  while (input.size() >= 3) {
    const auto type = static_cast<BlockType>(input[0]);
    const std::size_t size = static_cast<std::size_t>(static_cast<unsigned char>(input[1])) << 8 |
                             static_cast<unsigned char>(input[2]);
    input.remove_prefix(3);
    text += block(type, input.substr(0, size));
    input.remove_prefix(std::min(size, input.size()));
  }
  return text + sha256(text);
}

/// The header of this program in front of the blocks.
std::string with_header(std::string_view input) {
  Header header;
  header.engine = "sqlite";
  header.rows.resize(tables().size());
  const std::string blocks = mended(input).substr(kMagic.size());
  std::string text(kMagic);
  text += block(BlockType::header, header_json(header));
  text += blocks.substr(0, blocks.size() - kDigest);
  return text + sha256(text);
}

void read_all(std::string_view text) {
  TextSource source(text);
  Reader reader(source);
  const auto header = reader.header();
  if (!header) return must(!header.error().message.empty());
  must(header->rows.size() == tables().size());
  RowBlock rows;
  while (true) {
    const auto more = reader.next(rows);
    must(reader.bytes() <= text.size());
    if (!more) return must(!more.error().message.empty());
    if (!*more) return must(reader.bytes() == text.size());
    must(rows.rows() > 0 && rows.fields.size() % rows.width() == 0);
    std::size_t bytes = 0;
    for (const Field& field : rows.fields) bytes += field.bytes.size();
    must(bytes <= text.size());
  }
}

}  // namespace
}  // namespace postern::relay::transfer

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace transfer = postern::relay::transfer;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (input.empty()) return 0;
  const std::string_view rest = input.substr(1);
  if (input[0] % 3 == 0) transfer::read_all(rest);
  if (input[0] % 3 == 1) transfer::read_all(transfer::mended(rest));
  if (input[0] % 3 == 2) transfer::read_all(transfer::with_header(rest));
  return 0;
}
