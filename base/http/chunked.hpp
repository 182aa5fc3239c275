#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/http/field_parser.hpp"
#include "base/http/progress.hpp"

namespace postern::http {

/// A chunked body (RFC 9112, section 7.1), strictly: CRLF only, sizes of at most eight hexadecimal digits
/// without sign, prefix or blanks, well-formed extensions of at most 256 bytes a chunk (ignored), and
/// trailers of at most 4 KiB that are checked and dropped: what comes after a body never becomes a header.
/// Fed in pieces of any size.
///
/// Refusals are 413 with `body_too_large`, as soon as a chunk's size passes the limit, and 400 with
/// `bad_chunk_size`, `bad_chunk_extension`, `chunk_extension_too_long`, `bad_chunk_end`, `forbidden_trailer`,
/// `trailers_too_large`, or one of FieldParser's.
class ChunkedDecoder {
 public:
  explicit ChunkedDecoder(std::uint64_t body_limit)
      : limit_left_(body_limit), trailers_(kTrailerBytes, kTrailerFields) {}

  /// Appends what it decodes to `body`. Returns how many bytes it took: all, unless the body ended inside
  /// them.
  std::size_t feed(std::string_view bytes, std::string& body);

  Progress progress() const { return progress_; }
  Verdict verdict() const { return verdict_; }  ///< when refused

  static constexpr std::size_t kExtensionBytes = 256;
  static constexpr std::size_t kTrailerBytes = 4096;
  static constexpr std::size_t kTrailerFields = 32;

 private:
  enum class State : std::uint8_t {
    size,
    extension_name,
    extension_value,
    extension_token,
    extension_quoted,
    extension_end,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailers
  };

  std::size_t take(std::string_view bytes, std::string& body);
  std::size_t take_size(char c);
  std::size_t take_extension(char c);
  std::size_t after_extension(char c);
  std::size_t end_size_line(char c);
  std::size_t take_data(std::string_view bytes, std::string& body);
  std::size_t expect(char c, char wanted, State next);
  std::size_t take_trailers(std::string_view bytes);
  std::size_t refuse(std::string_view reason, int status = 400);

  std::uint64_t limit_left_;
  std::uint64_t chunk_left_ = 0;
  FieldParser trailers_;
  Verdict verdict_;
  std::uint16_t digits_ = 0;
  std::uint16_t extension_size_ = 0;
  bool name_empty_ = true;
  Progress progress_ = Progress::more;
  State state_ = State::size;
};

}  // namespace postern::http
