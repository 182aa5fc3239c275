#pragma once
#include <cstddef>
#include <string>
#include <string_view>

#include "base/http/progress.hpp"

namespace postern::agent {

/// The head that a proxy answers CONNECT with, and nothing behind it: what follows a 2xx is the relay's
/// (RFC 9110, 9.3.6), whatever lengths the head may name. Interim answers (1xx) are passed over. Refuses what
/// is not HTTP/1 at its first wrong byte, and heads over 8 KiB, interim ones included. Does no I/O.
class ProxyAnswer {
 public:
  static constexpr std::size_t kMost = 8192;

  /// How many of these bytes belong to the head; fewer than all only once it is over.
  std::size_t feed(std::string_view bytes);
  http::Progress progress() const { return progress_; }
  bool accepted() const { return status_ >= 200 && status_ < 300; }
  int status() const { return status_; }
  /// The reason in the proxy's own words: visible ASCII, at most 100 bytes, may be empty.
  const std::string& words() const { return words_; }

 private:
  void end_line();
  bool read_status_line();

  http::Progress progress_ = http::Progress::more;
  std::string line_;
  bool in_status_line_ = true;
  std::size_t seen_ = 0;
  int status_ = 0;
  std::string words_;
};

}  // namespace postern::agent
