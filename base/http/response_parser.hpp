#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/http/chunked.hpp"
#include "base/http/field_parser.hpp"
#include "base/http/message.hpp"

namespace postern::http {

/// Reads one response of a server that is not trusted, in pieces of any size, and keeps a bounded part of it.
/// Interim answers (1xx) are skipped, at most eight of them. Does no I/O.
///
/// Before the headers are complete, anything wrong is a refusal: `malformed_response` or `headers_too_large`.
/// Once they are complete there is a response, whatever happens to its body: a body that is too long, broken
/// or cut short only makes it `truncated`.
class ResponseParser {
 public:
  ResponseParser(bool answers_head, std::size_t header_limit, std::size_t body_limit);

  void feed(std::string_view bytes);
  /// The server has ended the connection, or nobody will wait any longer.
  void end();

  Progress progress() const { return progress_; }
  std::string_view reason() const { return reason_; }  ///< when refused
  bool has_headers() const { return state_ > State::fields; }
  bool reusable() const { return reusable_; }  ///< the connection is where the next response would begin

  int status = 0;
  Headers headers;
  std::string body;
  bool truncated = false;

 private:
  enum class State : std::uint8_t { status_line, fields, sized, chunked, to_end, finished };

  std::size_t take(std::string_view bytes);
  std::size_t take_status_line(std::string_view bytes);
  std::size_t take_fields(std::string_view bytes);
  std::size_t take_body(std::string_view bytes);
  bool parse_status_line();
  void finish_headers();
  void skip_interim();
  void choose_framing();
  void cap_body();
  void finish(bool cut);
  void refuse(std::string_view reason);

  std::string line_;
  std::optional<FieldParser> fields_;
  std::optional<ChunkedDecoder> chunks_;
  std::size_t headers_left_;
  std::size_t body_limit_;
  std::uint64_t body_left_ = 0;
  std::string_view reason_;
  unsigned interim_ = 0;
  bool answers_head_;
  bool http10_ = false;
  bool reusable_ = false;
  Progress progress_ = Progress::more;
  State state_ = State::status_line;
};

}  // namespace postern::http
