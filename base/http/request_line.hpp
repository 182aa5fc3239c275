#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/http/progress.hpp"

namespace postern::http {

/// `METHOD SP target SP HTTP/1.x CRLF` (RFC 9112, section 3), byte for byte: one blank between the parts,
/// nothing before the method (a leading empty line is refused too), HTTP/1.0 or HTTP/1.1. Fed in pieces of
/// any size.
///
/// Refusals are 400 with `bad_method`, `method_too_long`, `empty_target`, `fragment_in_target`,
/// `bad_target_byte`, `bad_version`, `bare_lf` or `bare_cr`, and 414 with `target_too_long`.
class RequestLine {
 public:
  explicit RequestLine(std::size_t target_limit) : target_limit_(target_limit) {}

  /// Returns how many bytes it took: all of them, unless it ended inside them.
  std::size_t feed(std::string_view bytes);

  Progress progress() const { return progress_; }
  Verdict verdict() const { return verdict_; }  ///< when refused
  std::size_t size() const { return size_; }    ///< bytes taken so far

  std::string method;
  std::string target;
  bool http10 = false;

 private:
  enum class State : std::uint8_t { method, target, version, line_feed };

  std::size_t take(std::string_view bytes);
  std::size_t take_method(std::string_view bytes);
  std::size_t take_target(std::string_view bytes);
  std::size_t take_version(char c);
  std::size_t refuse(std::string_view reason, int status = 400);

  std::size_t target_limit_;
  std::size_t size_ = 0;
  std::size_t version_size_ = 0;
  Verdict verdict_;
  Progress progress_ = Progress::more;
  State state_ = State::method;
};

}  // namespace postern::http
