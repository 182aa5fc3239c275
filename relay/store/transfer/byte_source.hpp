#pragma once
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string_view>

#include "base/error.hpp"

namespace postern::relay::transfer {

/// Where a Reader's bytes come from.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Up to `size` bytes; 0 at the end. Error `transfer_unreadable`.
  virtual Result<std::size_t> read(char* into, std::size_t size) = 0;
};

class FileSource final : public ByteSource {
 public:
  /// Error `transfer_unreadable`: no such file, not a plain one.
  static Result<FileSource> open(const std::filesystem::path& file);
  FileSource(FileSource&& other) noexcept;
  FileSource& operator=(FileSource&&) = delete;
  ~FileSource() override;
  Result<std::size_t> read(char* into, std::size_t size) override;
  std::uint64_t size() const { return size_; }

 private:
  FileSource(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  int fd_;
  std::uint64_t size_;
};

/// Bytes in memory, for tests.
class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string_view text) : left_(text) {}
  Result<std::size_t> read(char* into, std::size_t size) override {
    const std::size_t count = std::min(size, left_.size());
    std::memcpy(into, left_.data(), count);
    left_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view left_;
};

}  // namespace postern::relay::transfer
