#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>

#include "base/clock.hpp"

namespace postern::agent {

/// Says when one of some files may have changed. It watches their directories and not the files, since most
/// editors write a new file and rename it over the old one. All that happens within kGather is told as one.
/// May tell of no change at all; never of what a file holds.
///
/// A directory that does not exist when it starts is not watched. Lives as long as its loop.
class FileWatch : public std::enable_shared_from_this<FileWatch> {
 public:
  static constexpr Duration kGather = std::chrono::milliseconds(100);

  /// Null when this host has no watches to spare; then changes are not noticed.
  static std::shared_ptr<FileWatch> start(boost::asio::any_io_executor executor,
                                          std::span<const std::filesystem::path> files,
                                          std::function<void()> changed);
  FileWatch(boost::asio::any_io_executor executor, int fd, std::function<void()> changed);

 private:
  void read();
  bool concerns(std::string_view bytes) const;
  void arm();

  boost::asio::posix::stream_descriptor stream_;
  boost::asio::steady_timer timer_;
  std::function<void()> changed_;
  std::set<std::string, std::less<>> names_;
  bool armed_ = false;
  alignas(8) std::array<char, 4096> buffer_{};
};

}  // namespace postern::agent
