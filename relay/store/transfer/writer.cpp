#include "relay/store/transfer/writer.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "tunnel-proto/big_endian.hpp"

namespace postern::relay::transfer {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path) {
  throw std::system_error(errno, std::generic_category(), path.string());
}

}  // namespace

Result<std::unique_ptr<Writer>> Writer::create(fs::path file) {
  std::error_code ignored;
  if (fs::exists(fs::symlink_status(file, ignored)))
    return fail("transfer_unwritable",
                fmt::format("{} is there already: name another file, or remove it.", file.string()));
  fs::path part = file;
  part += ".part";
  ::unlink(part.c_str());
  const int fd = ::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return fail("transfer_unwritable",
                fmt::format("{} cannot be made: {}.", part.string(), std::strerror(errno)));
  return std::unique_ptr<Writer>(new Writer(std::move(file), std::move(part), fd));
}

Writer::Writer(fs::path file, fs::path part, int fd)
    : file_(std::move(file)), part_(std::move(part)), fd_(fd), rows_(tables().size()) {}

Writer::~Writer() {
  ::close(fd_);
  if (!finished_) ::unlink(part_.c_str());
}

void Writer::header(const Header& header) {
  put(kMagic);
  put(block(BlockType::header, header_json(header)));
}

void Writer::row(std::size_t table, std::span<const Field> fields) {
  if (table != table_ || pending_.size() >= kPayloadWanted || pending_rows_ == kRowsMost) flush();
  table_ = table;
  if (pending_.empty()) pending_.assign(kRowsHead, '\0');
  const Table& of = tables()[table];
  for (std::size_t i = 0; i < of.columns.size(); ++i) put_field(pending_, of.columns[i], fields[i]);
  ++pending_rows_;
  ++rows_[table];
}

void Writer::flush() {
  if (pending_rows_ == 0) return;
  if (pending_.size() > kPayloadMost)
    throw std::runtime_error(fmt::format("a row of {} is too large", tables()[table_].name));
  std::string head(1, static_cast<char>(table_));
  tunnel::append_u32(head, pending_rows_);
  pending_.replace(0, kRowsHead, head);
  put(block(BlockType::rows, pending_));
  pending_.clear();
  pending_rows_ = 0;
}

void Writer::finish() {
  flush();
  put(block(BlockType::end, end_json(rows_)));
  put(digest_.finish());
  sync_and_rename();
  finished_ = true;
}

void Writer::put(std::string_view bytes) {
  digest_.update(bytes);
  bytes_ += bytes.size();
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) refuse(part_);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

void Writer::sync_and_rename() {
  if (::fsync(fd_) != 0) refuse(part_);
  if (::rename(part_.c_str(), file_.c_str()) != 0) refuse(file_);
  const fs::path parent = fs::absolute(file_).parent_path();
  const int directory = ::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) refuse(parent);
  const bool synced = ::fsync(directory) == 0;
  ::close(directory);
  if (!synced) refuse(parent);
}

}  // namespace postern::relay::transfer
