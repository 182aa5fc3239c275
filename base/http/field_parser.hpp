#pragma once
#include <cstdint>
#include <string_view>

#include "base/http/message.hpp"
#include "base/http/progress.hpp"

namespace postern::http {

/// Field lines up to and including the blank line that ends them (RFC 9112, section 5): headers of a request
/// or a response, and trailers. Strict: CRLF only, no folding, no blank before the colon, no control byte in
/// a value. Fed in pieces of any size; the verdict never depends on where the pieces end. Does no I/O.
///
/// Refusals are 400 with `bare_lf`, `bare_cr`, `obs_fold`, `empty_field_name`, `space_before_colon`,
/// `bad_field_name`, `nul_byte` or `control_byte`, and 431 with `headers_too_large` or `too_many_headers`.
class FieldParser {
 public:
  /// `max_bytes` counts line ends and the blank line too.
  FieldParser(std::size_t max_bytes, std::size_t max_fields)
      : bytes_left_(max_bytes), fields_left_(max_fields) {}

  /// Returns how many bytes it took: all of them, unless it ended inside them.
  std::size_t feed(std::string_view bytes);

  Progress progress() const { return progress_; }
  Verdict verdict() const { return verdict_; }  ///< when refused
  Headers& fields() { return fields_; }

 private:
  enum class State : std::uint8_t { line_start, name, value_start, value, value_lf, end_lf };

  std::size_t take(std::string_view bytes);
  std::size_t start_line(std::string_view bytes);
  std::size_t take_name(std::string_view bytes);
  std::size_t take_blanks(std::string_view bytes);
  std::size_t take_value(std::string_view bytes);
  std::size_t take_line_feed(char c);
  std::size_t refuse(std::string_view reason, int status = 400);

  Headers fields_;
  std::size_t bytes_left_;
  std::size_t fields_left_;
  Verdict verdict_;
  Progress progress_ = Progress::more;
  State state_ = State::line_start;
};

}  // namespace postern::http
