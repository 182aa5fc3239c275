#include "base/http/request_line.hpp"

#include "base/http/chars.hpp"

namespace postern::http {

namespace {

constexpr std::size_t kMaxMethod = 32;
constexpr std::string_view kVersion = "HTTP/1.";

std::string_view bad_target_byte(char c) {
  if (c == '#') return "fragment_in_target";
  if (c == '\n') return "bare_lf";
  // "GET /\r\n" is HTTP/0.9: no version, and an answer without headers. Nobody gets that here.
  return c == '\r' ? "bad_version" : "bad_target_byte";
}

}  // namespace

std::size_t RequestLine::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (progress_ == Progress::more && used < bytes.size()) used += take(bytes.substr(used));
  size_ += used;
  return used;
}

std::size_t RequestLine::take(std::string_view bytes) {
  switch (state_) {
    case State::method:
      return take_method(bytes);
    case State::target:
      return take_target(bytes);
    case State::version:
      return take_version(bytes[0]);
    case State::line_feed:
      break;
  }
  if (bytes[0] != '\n') return refuse("bare_cr");
  progress_ = Progress::done;
  return 1;
}

std::size_t RequestLine::take_method(std::string_view bytes) {
  const std::size_t n = run_length(kMethod, bytes.substr(0, kMaxMethod - method.size()));
  method.append(bytes.substr(0, n));
  if (n == bytes.size()) return n;
  if (in_class(kMethod, bytes[n])) return refuse("method_too_long");
  if (bytes[n] != ' ' || method.empty()) return refuse("bad_method");
  state_ = State::target;
  return n + 1;
}

std::size_t RequestLine::take_target(std::string_view bytes) {
  const std::size_t n = run_length(kTarget, bytes.substr(0, target_limit_ - target.size()));
  target.append(bytes.substr(0, n));
  if (n == bytes.size()) return n;
  if (in_class(kTarget, bytes[n])) return refuse("target_too_long", 414);
  if (bytes[n] != ' ') return refuse(bad_target_byte(bytes[n]));
  if (target.empty()) return refuse("empty_target");
  state_ = State::version;
  return n + 1;
}

std::size_t RequestLine::take_version(char c) {
  if (version_size_ < kVersion.size()) {
    if (c != kVersion[version_size_]) return refuse("bad_version");
  } else if (version_size_ == kVersion.size()) {
    if (c != '0' && c != '1') return refuse("bad_version");
    http10 = c == '0';
  } else {
    if (c != '\r') return refuse(c == '\n' ? "bare_lf" : "bad_version");
    state_ = State::line_feed;
  }
  ++version_size_;
  return 1;
}

std::size_t RequestLine::refuse(std::string_view reason, int status) {
  verdict_ = {status, reason};
  progress_ = Progress::refused;
  return 0;
}

}  // namespace postern::http
