#include "base/http/field_parser.hpp"

#include "base/http/chars.hpp"

namespace postern::http {

namespace {

constexpr std::size_t kUsualFields = 16;

std::string_view bad_value_byte(char c) {
  if (c == '\n') return "bare_lf";
  return c == '\0' ? "nul_byte" : "control_byte";
}

}  // namespace

std::size_t FieldParser::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (progress_ == Progress::more && used < bytes.size()) {
    if (bytes_left_ == 0) {
      refuse("headers_too_large", 431);
      break;
    }
    const std::size_t n = take(bytes.substr(used, bytes_left_));
    used += n;
    bytes_left_ -= n;
  }
  return used;
}

std::size_t FieldParser::take(std::string_view bytes) {
  switch (state_) {
    case State::line_start:
      return start_line(bytes);
    case State::name:
      return take_name(bytes);
    case State::value_start:
      return take_blanks(bytes);
    case State::value:
      return take_value(bytes);
    case State::value_lf:
    case State::end_lf:
      return take_line_feed(bytes[0]);
  }
  return 0;
}

std::size_t FieldParser::start_line(std::string_view bytes) {
  const char c = bytes[0];
  if (c == '\r') {
    state_ = State::end_lf;
    return 1;
  }
  if (c == '\n') return refuse("bare_lf");
  if (c == ' ' || c == '\t') return refuse("obs_fold");
  if (c == ':') return refuse("empty_field_name");
  if (!in_class(kToken, c)) return refuse("bad_field_name");
  if (fields_left_ == 0) return refuse("too_many_headers", 431);
  --fields_left_;
  if (fields_.empty()) fields_.reserve(kUsualFields);
  fields_.emplace_back();
  state_ = State::name;
  return 0;
}

std::size_t FieldParser::take_name(std::string_view bytes) {
  const std::size_t n = run_length(kToken, bytes);
  fields_.back().name.append(bytes.substr(0, n));
  if (n == bytes.size()) return n;
  const char c = bytes[n];
  if (c == ' ' || c == '\t') return refuse("space_before_colon");
  if (c == '\n') return refuse("bare_lf");
  if (c != ':') return refuse("bad_field_name");
  state_ = State::value_start;
  return n + 1;
}

std::size_t FieldParser::take_blanks(std::string_view bytes) {
  std::size_t n = 0;
  while (n < bytes.size() && (bytes[n] == ' ' || bytes[n] == '\t')) ++n;
  if (n < bytes.size()) state_ = State::value;
  return n;
}

std::size_t FieldParser::take_value(std::string_view bytes) {
  std::string& value = fields_.back().value;
  const std::size_t n = run_length(kValue, bytes);
  value.append(bytes.substr(0, n));
  if (n == bytes.size()) return n;
  if (bytes[n] != '\r') return refuse(bad_value_byte(bytes[n]));
  value.resize(value.find_last_not_of(" \t") + 1);
  state_ = State::value_lf;
  return n + 1;
}

std::size_t FieldParser::take_line_feed(char c) {
  if (c != '\n') return refuse("bare_cr");
  if (state_ == State::end_lf) progress_ = Progress::done;
  state_ = State::line_start;
  return 1;
}

std::size_t FieldParser::refuse(std::string_view reason, int status) {
  verdict_ = {status, reason};
  progress_ = Progress::refused;
  return 0;
}

}  // namespace postern::http
