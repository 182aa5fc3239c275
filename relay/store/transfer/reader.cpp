#include "relay/store/transfer/reader.hpp"

#include "tunnel-proto/big_endian.hpp"

namespace postern::relay::transfer {
namespace {

/// A length that lies costs no more than this beyond what is really there.
constexpr std::size_t kStep = 1U << 20;

}  // namespace

std::unexpected<Error> Reader::damaged(const std::string& what) const {
  return fail("transfer_damaged",
              fmt::format("The file is damaged at byte {}: {}. Nothing of it is used; export "
                          "again, or copy it again and compare the sizes.",
                          block_at_, what));
}

/// Appends `size` bytes to the buffer.
Result<void> Reader::fill(std::size_t size) {
  while (size > 0) {
    const std::size_t step = std::min(size, kStep);
    const std::size_t have = buffer_.size();
    buffer_.resize(have + step);
    const auto count = source_.read(buffer_.data() + have, step);
    if (!count) return std::unexpected(count.error());
    buffer_.resize(have + *count);
    if (*count == 0) return damaged("it ends in the middle");
    size -= *count;
    offset_ += *count;
  }
  return {};
}

Result<BlockType> Reader::read_block() {
  block_at_ = offset_;
  buffer_.clear();
  if (auto head = fill(kBlockHead); !head) return std::unexpected(head.error());
  const auto type = static_cast<BlockType>(buffer_[0]);
  const std::size_t size = tunnel::read_u32(std::string_view(buffer_).substr(1));
  if (type != BlockType::header && type != BlockType::rows && type != BlockType::end)
    return damaged("no block starts here");
  if (size > (type == BlockType::rows ? kPayloadMost : kHeaderMost))
    return damaged(fmt::format("a block of {} bytes is too large", size));
  if (auto rest = fill(size + kBlockTail); !rest) return std::unexpected(rest.error());
  const std::string_view whole(buffer_);
  const std::string_view covered = whole.substr(0, whole.size() - kBlockTail);
  if (crc32(covered) != tunnel::read_u32(whole.substr(covered.size())))
    return damaged("the checksum does not fit");
  digest_.update(buffer_);
  return type;
}

std::string_view Reader::payload() const {
  return std::string_view(buffer_).substr(kBlockHead, buffer_.size() - kBlockHead - kBlockTail);
}

Result<Header> Reader::header() {
  buffer_.clear();
  const auto magic = fill(kMagic.size());
  if (!magic && magic.error().code != "transfer_damaged") return std::unexpected(magic.error());
  if (!magic || buffer_ != kMagic)
    return fail("transfer_damaged", "This is no file of `postern export`: it does not begin like one.");
  digest_.update(buffer_);
  const auto type = read_block();
  if (!type) return std::unexpected(type.error());
  if (*type != BlockType::header) return damaged("it does not begin with a header");
  return header_from(payload());
}

Result<bool> Reader::next(RowBlock& out) {
  out.fields.clear();
  const auto type = read_block();
  if (!type) return std::unexpected(type.error());
  if (*type == BlockType::header) return damaged("a second header");
  if (*type == BlockType::end) {
    if (auto done = check_end(); !done) return std::unexpected(done.error());
    return false;
  }
  if (auto done = take_rows(out); !done) return std::unexpected(done.error());
  return true;
}

Result<void> Reader::take_rows(RowBlock& out) {
  std::string_view in = payload();
  if (in.size() < kRowsHead) return damaged("a block of rows without a head");
  out.table = static_cast<unsigned char>(in[0]);
  const std::size_t count = tunnel::read_u32(in.substr(1));
  in.remove_prefix(kRowsHead);
  if (out.table >= tables().size() || out.table < table_)
    return damaged("rows of a table that has no place here");
  if (count == 0 || count > kRowsMost) return damaged(fmt::format("a block of {} rows", count));
  table_ = out.table;
  for (std::size_t i = 0; i < count; ++i) {
    if (!take_row(in, tables()[table_], out.fields))
      return damaged(fmt::format("row {} of {} is cut off", rows_[table_] + i + 1, tables()[table_].name));
  }
  if (!in.empty()) return damaged(fmt::format("{} bytes behind the rows", in.size()));
  rows_[table_] += count;
  return {};
}

Result<void> Reader::check_end() {
  const auto counts = end_from(payload());
  if (!counts) return std::unexpected(counts.error());
  for (std::size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i] != (*counts)[i])
      return damaged(fmt::format("{} of {} rows of {} are there", rows_[i], (*counts)[i], tables()[i].name));
  }
  const std::string wanted = digest_.finish();
  block_at_ = offset_;
  buffer_.clear();
  if (auto digest = fill(kDigest); !digest) return digest;
  if (buffer_ != wanted) return damaged("its SHA-256 does not fit");
  char more = 0;
  const auto behind = source_.read(&more, 1);
  if (!behind) return std::unexpected(behind.error());
  if (*behind != 0) return damaged("something follows its end");
  return {};
}

}  // namespace postern::relay::transfer
