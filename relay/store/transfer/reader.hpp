#pragma once
#include <functional>
#include <span>

#include "base/crypto.hpp"
#include "relay/store/transfer/byte_source.hpp"
#include "relay/store/transfer/format.hpp"

namespace postern::relay::transfer {

/// Rows of one table; their bytes are good until the next block is read.
struct RowBlock {
  std::size_t table = 0;
  std::vector<Field> fields;  ///< row after row

  std::size_t width() const { return tables()[table].columns.size(); }
  std::size_t rows() const { return fields.size() / width(); }
  std::span<const Field> row(std::size_t number) const {
    return std::span(fields).subspan(number * width(), width());
  }
};

/// Reads a file of `postern export` and believes nothing in it: each block has to have its checksum, each row
/// the columns of its table, the end the counts of what came before and the digest of all of it. Takes no
/// more memory than the bytes that are really there ask for. Errors: `transfer_damaged`, with the place;
/// those of header_from() and of the source.
class Reader {
 public:
  explicit Reader(ByteSource& source) : source_(source), rows_(tables().size()) {}

  /// First of all.
  Result<Header> header();
  /// False at the end: then everything was there and as it was written.
  Result<bool> next(RowBlock& out);

  const Counts& rows() const { return rows_; }
  std::uint64_t bytes() const { return offset_; }

 private:
  Result<BlockType> read_block();
  Result<void> fill(std::size_t size);
  Result<void> take_rows(RowBlock& out);
  Result<void> check_end();
  std::string_view payload() const;
  std::unexpected<Error> damaged(const std::string& what) const;

  ByteSource& source_;
  Sha256 digest_;
  std::string buffer_;  ///< the block that is being read
  std::uint64_t offset_ = 0, block_at_ = 0;
  std::size_t table_ = 0;
  Counts rows_;
};

}  // namespace postern::relay::transfer
