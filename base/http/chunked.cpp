#include "base/http/chunked.hpp"

#include "base/bytes.hpp"
#include "base/http/chars.hpp"

namespace postern::http {

namespace {

constexpr unsigned kMaxDigits = 8;

bool quotable(char c) {
  return c == '\t' || (c >= 0x20 && c <= 0x7e && c != '\\');
}

bool names_framing(const Header& field) {
  for (const std::string_view name : {"content-length", "transfer-encoding", "host"}) {
    if (ascii_iequals(field.name, name)) return true;
  }
  return false;
}

}  // namespace

std::size_t ChunkedDecoder::feed(std::string_view bytes, std::string& body) {
  std::size_t used = 0;
  while (progress_ == Progress::more && used < bytes.size()) used += take(bytes.substr(used), body);
  return used;
}

std::size_t ChunkedDecoder::take(std::string_view bytes, std::string& body) {
  const char c = bytes[0];
  switch (state_) {
    case State::size:
      return take_size(c);
    case State::extension_name:
    case State::extension_value:
    case State::extension_token:
    case State::extension_quoted:
    case State::extension_end:
      return take_extension(c);
    case State::size_lf:
      return end_size_line(c);
    case State::data:
      return take_data(bytes, body);
    case State::data_cr:
      return expect(c, '\r', State::data_lf);
    case State::data_lf:
      return expect(c, '\n', State::size);
    case State::trailers:
      return take_trailers(bytes);
  }
  return 0;
}

std::size_t ChunkedDecoder::take_size(char c) {
  const int digit = hex_value(c);
  if (digit >= 0) {
    if (++digits_ > kMaxDigits) return refuse("bad_chunk_size");
    chunk_left_ = chunk_left_ * 16 + static_cast<unsigned>(digit);
    return 1;
  }
  if (digits_ == 0) return refuse("bad_chunk_size");
  if (c == '\r')
    state_ = State::size_lf;
  else if (c == ';')
    state_ = State::extension_name;
  else
    return refuse("bad_chunk_size");
  extension_size_ = 0;
  name_empty_ = true;
  return 1;
}

/// `;name`, `;name=token` or `;name="quoted"`, repeated. No blanks, and no escapes in quotes.
std::size_t ChunkedDecoder::take_extension(char c) {
  if (++extension_size_ > kExtensionBytes) return refuse("chunk_extension_too_long");
  switch (state_) {
    case State::extension_name:
      if (in_class(kToken, c)) return name_empty_ = false, 1;
      if (name_empty_) return refuse("bad_chunk_extension");
      if (c != '=') return after_extension(c);
      state_ = State::extension_value;
      return 1;
    case State::extension_value:
      if (c != '"' && !in_class(kToken, c)) return refuse("bad_chunk_extension");
      state_ = c == '"' ? State::extension_quoted : State::extension_token;
      return 1;
    case State::extension_token:
      return in_class(kToken, c) ? 1 : after_extension(c);
    case State::extension_quoted:
      if (!quotable(c)) return refuse("bad_chunk_extension");
      if (c == '"') state_ = State::extension_end;
      return 1;
    default:
      return after_extension(c);
  }
}

std::size_t ChunkedDecoder::after_extension(char c) {
  if (c != ';' && c != '\r') return refuse("bad_chunk_extension");
  state_ = c == ';' ? State::extension_name : State::size_lf;
  name_empty_ = true;
  return 1;
}

std::size_t ChunkedDecoder::end_size_line(char c) {
  if (c != '\n') return refuse("bad_chunk_end");
  if (chunk_left_ > limit_left_) return refuse("body_too_large", 413);
  limit_left_ -= chunk_left_;
  state_ = chunk_left_ == 0 ? State::trailers : State::data;
  digits_ = 0;
  return 1;
}

std::size_t ChunkedDecoder::take_data(std::string_view bytes, std::string& body) {
  const std::string_view data = bytes.substr(0, chunk_left_);
  body.append(data);
  chunk_left_ -= data.size();
  if (chunk_left_ == 0) state_ = State::data_cr;
  return data.size();
}

std::size_t ChunkedDecoder::expect(char c, char wanted, State next) {
  if (c != wanted) return refuse("bad_chunk_end");
  state_ = next;
  return 1;
}

std::size_t ChunkedDecoder::take_trailers(std::string_view bytes) {
  const std::size_t used = trailers_.feed(bytes);
  if (trailers_.progress() == Progress::refused) {
    const Verdict verdict = trailers_.verdict();
    refuse(verdict.status == 431 ? "trailers_too_large" : verdict.reason);
  }
  if (trailers_.progress() != Progress::done) return used;
  for (const Header& field : trailers_.fields()) {
    if (names_framing(field)) return refuse("forbidden_trailer"), used;
  }
  progress_ = Progress::done;
  return used;
}

std::size_t ChunkedDecoder::refuse(std::string_view reason, int status) {
  verdict_ = {status, reason};
  progress_ = Progress::refused;
  return 0;
}

}  // namespace postern::http
