#include "agent/proxy_answer.hpp"

#include <algorithm>

#include "base/bytes.hpp"

namespace postern::agent {
namespace {

using http::Progress;

constexpr std::string_view kVersion = "HTTP/1.";
constexpr std::size_t kMostWords = 100;

std::string shown(std::string_view words) {
  std::string out(words.substr(0, kMostWords));
  std::replace_if(out.begin(), out.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7f; }, '?');
  return out;
}

}  // namespace

std::size_t ProxyAnswer::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (progress_ == Progress::more && used < bytes.size()) {
    const char c = bytes[used++];
    if (++seen_ > kMost) {
      progress_ = Progress::refused;
    } else if (c == '\n') {
      end_line();
    } else {
      line_ += c;
      const auto common = std::min(line_.size(), kVersion.size());
      if (in_status_line_ && line_.compare(0, common, kVersion, 0, common) != 0)
        progress_ = Progress::refused;
    }
  }
  return used;
}

void ProxyAnswer::end_line() {
  if (line_.ends_with('\r')) line_.pop_back();
  if (in_status_line_) {
    in_status_line_ = false;
    if (!read_status_line()) progress_ = Progress::refused;
  } else if (line_.empty()) {
    in_status_line_ = status_ < 200;
    if (!in_status_line_) progress_ = Progress::done;
  }
  line_.clear();
}

/// HTTP/1.X SP 3DIGIT [SP words]
bool ProxyAnswer::read_status_line() {
  constexpr std::size_t kStatus = 9;
  const std::string_view line = line_;
  if (line.size() < kStatus + 3 || line[kStatus - 1] != ' ') return false;
  const char minor = line[kVersion.size()];
  const auto status = parse_u64(line.substr(kStatus, 3));
  if (minor < '0' || minor > '9' || !status || *status < 100 || *status > 599) return false;
  const std::string_view rest = line.substr(kStatus + 3);
  if (!rest.empty() && rest.front() != ' ') return false;
  status_ = static_cast<int>(*status);
  words_ = shown(rest.substr(std::min<std::size_t>(1, rest.size())));
  return true;
}

}  // namespace postern::agent
