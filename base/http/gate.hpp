#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/http/field_parser.hpp"
#include "base/http/message.hpp"
#include "base/http/progress.hpp"
#include "base/http/request_line.hpp"

namespace postern::http {

enum class Framing : std::uint8_t { none, length, chunked };

/// A request head that passed: there is one way to read it, and here it is.
struct Head {
  std::string method;
  std::string target;  ///< raw
  Headers headers;
  Framing framing = Framing::none;
  std::uint64_t content_length = 0;  ///< when framing is length; may be 0
  bool http10 = false;
  bool keep_alive = true;
  bool expect_continue = false;  ///< a body follows, and the client waits for "100 Continue" first
};

struct GateLimits {
  std::size_t target_bytes = 8 * 1024;
  std::size_t header_bytes = 64 * 1024;  ///< request line, fields and blank line
  std::size_t header_fields = 128;
};

/// The strict gate of every listener: reads one HTTP/1.1 request head and refuses each one that two readers
/// could frame differently (RFC 9112, sections 2 to 7 and 11). What the RFC lets a server repair, this does
/// not repair:
///
///  - line ends are CRLF; no empty line before the request; no folded lines; no blank before a colon;
///  - HTTP/1.0 and 1.1 only; methods in capitals; targets in visible ASCII without a fragment, in
///  origin-form, `*`
///    for OPTIONS, or absolute-form that repeats Host exactly; never CONNECT;
///  - exactly one valid Host (HTTP/1.0 may leave it out);
///  - at most one Content-Length, digits without a leading zero; or exactly one `Transfer-Encoding: chunked`,
///  never
///    in HTTP/1.0; never both; no look-alikes of the two with an underscore;
///  - no body on GET, HEAD and TRACE.
///
/// Fed in pieces of any size; the verdict never depends on where the pieces end. Does no I/O.
/// After a refusal the bytes that follow have no meaning: answer and close.
class Gate {
 public:
  explicit Gate(const GateLimits& limits) : limits_(limits), line_(limits.target_bytes), fields_(0, 0) {}

  /// Returns how many bytes belong to the head; when done, the rest is body or the next request.
  std::size_t feed(std::string_view bytes);

  Progress progress() const { return progress_; }
  Verdict verdict() const { return verdict_; }  ///< when refused
  Head& head() { return head_; }                ///< when done

 private:
  void finish();
  void refuse(Verdict verdict);

  GateLimits limits_;
  RequestLine line_;
  FieldParser fields_;
  Head head_;
  Verdict verdict_;
  Progress progress_ = Progress::more;
};

}  // namespace postern::http
