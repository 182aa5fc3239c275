#pragma once
#include <filesystem>
#include <memory>
#include <span>

#include "base/crypto.hpp"
#include "relay/store/transfer/format.hpp"

namespace postern::relay::transfer {

/// Writes a file of `postern export`: under a temporary name (FILE.part, 0600) until finish(), which syncs it
/// and puts it in its place. One that is not finished is removed again. What the system refuses (a full disk)
/// throws std::system_error. One thread.
class Writer {
 public:
  /// Error `transfer_unwritable`: the file is there already, or cannot be made.
  static Result<std::unique_ptr<Writer>> create(std::filesystem::path file);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void header(const Header& header);  ///< once, before all else
  /// Rows come table by table, in the order of tables().
  void row(std::size_t table, std::span<const Field> fields);
  void finish();

  const Counts& rows() const { return rows_; }
  std::uint64_t bytes() const { return bytes_; }

 private:
  Writer(std::filesystem::path file, std::filesystem::path part, int fd);
  void flush();
  void put(std::string_view bytes);
  void sync_and_rename();

  const std::filesystem::path file_, part_;
  int fd_;
  bool finished_ = false;
  Sha256 digest_;
  Counts rows_;
  std::uint64_t bytes_ = 0;
  std::size_t table_ = 0;
  std::uint32_t pending_rows_ = 0;
  std::string pending_;
};

}  // namespace postern::relay::transfer
