#include "base/http/response_parser.hpp"

#include "base/bytes.hpp"
#include "base/http/chars.hpp"
#include "base/http/response_head.hpp"

namespace postern::http {

namespace {

constexpr unsigned kMaxInterim = 8;
constexpr std::size_t kMaxFields = 256;

bool says_close(const Headers& headers) {
  for (const Header& field : headers) {
    if (ascii_iequals(field.name, "connection") &&
        ascii_lower(field.value).find("close") != std::string::npos) {
      return true;
    }
  }
  return false;
}

/// The one length all Content-Length fields agree on; nullopt when one is malformed or they differ.
std::optional<std::uint64_t> agreed_length(const Headers& headers) {
  std::optional<std::uint64_t> agreed;
  for (const Header& field : headers) {
    if (!ascii_iequals(field.name, "content-length")) continue;
    const auto length = parse_u64(field.value);
    if (!length || (agreed && *agreed != *length)) return std::nullopt;
    agreed = length;
  }
  return agreed;
}

}  // namespace

ResponseParser::ResponseParser(bool answers_head, std::size_t header_limit, std::size_t body_limit)
    : headers_left_(header_limit), body_limit_(body_limit), answers_head_(answers_head) {}

void ResponseParser::feed(std::string_view bytes) {
  std::size_t used = 0;
  while (progress_ == Progress::more && used < bytes.size()) used += take(bytes.substr(used));
  // Bytes nobody asked for: whatever follows them would be read as the answer to something else.
  if (used < bytes.size()) reusable_ = false;
}

std::size_t ResponseParser::take(std::string_view bytes) {
  switch (state_) {
    case State::status_line:
      return take_status_line(bytes);
    case State::fields:
      return take_fields(bytes);
    default:
      return take_body(bytes);
  }
}

std::size_t ResponseParser::take_status_line(std::string_view bytes) {
  const auto end = bytes.find('\n');
  const std::size_t used = end == std::string_view::npos ? bytes.size() : end + 1;
  if (line_.size() + used > headers_left_) return refuse("headers_too_large"), used;
  line_ += bytes.substr(0, used);
  // Something that is not HTTP at all is known by its first bytes, not after 64 KiB.
  const std::string_view start = std::string_view("HTTP/1.").substr(0, line_.size());
  if (!line_.starts_with(start)) return refuse("malformed_response"), used;
  if (end == std::string_view::npos) return used;
  if (!parse_status_line()) return refuse("malformed_response"), used;
  headers_left_ -= line_.size();
  fields_.emplace(headers_left_, kMaxFields);
  state_ = State::fields;
  return used;
}

/// `HTTP/1.x SP 3DIGIT [SP reason] CRLF` (RFC 9112, section 4); many servers leave the blank out with the
/// reason.
bool ResponseParser::parse_status_line() {
  if (line_.size() < 14 || !line_.ends_with("\r\n")) return false;
  const std::string_view line = std::string_view(line_).substr(0, line_.size() - 2);
  if ((line[7] != '0' && line[7] != '1') || line[8] != ' ') return false;
  const auto code = parse_u64(line.substr(9, 3));
  if (!code || *code < 100 || *code > 599) return false;
  if (line.size() > 12 && (line[12] != ' ' || !is_field_value(line.substr(12)))) return false;
  http10_ = line[7] == '0';
  status = static_cast<int>(*code);
  return true;
}

std::size_t ResponseParser::take_fields(std::string_view bytes) {
  const std::size_t used = fields_->feed(bytes);
  headers_left_ -= std::min(headers_left_, used);
  if (fields_->progress() == Progress::refused) {
    refuse(fields_->verdict().status == 431 ? "headers_too_large" : "malformed_response");
  }
  if (fields_->progress() == Progress::done) finish_headers();
  return used;
}

void ResponseParser::finish_headers() {
  headers = std::move(fields_->fields());
  if (status < 200) return skip_interim();
  reusable_ = !http10_ && !says_close(headers);
  choose_framing();
}

void ResponseParser::skip_interim() {
  // Nobody asked to change the protocol.
  if (status == 101 || ++interim_ > kMaxInterim) return refuse("malformed_response");
  line_.clear();
  headers.clear();
  state_ = State::status_line;
}

void ResponseParser::choose_framing() {
  if (answers_head_ || !status_has_body(status)) return finish(false);
  const std::string* transfer = find_header(headers, "transfer-encoding");
  const bool has_length = find_header(headers, "content-length") != nullptr;
  if (transfer) {
    const bool one = count_header(headers, "transfer-encoding") == 1 && ascii_iequals(*transfer, "chunked");
    if (!one || has_length || http10_) return refuse("malformed_response");
    // The cap on what is kept is cap_body's; a longer body is no error here.
    chunks_.emplace(UINT64_MAX);
    state_ = State::chunked;
    return;
  }
  if (!has_length) {
    reusable_ = false;
    state_ = State::to_end;
    return;
  }
  const auto length = agreed_length(headers);
  if (!length) return refuse("malformed_response");
  body_left_ = *length;
  state_ = State::sized;
  if (body_left_ == 0) finish(false);
}

std::size_t ResponseParser::take_body(std::string_view bytes) {
  if (state_ == State::chunked) {
    const std::size_t used = chunks_->feed(bytes, body);
    if (chunks_->progress() == Progress::done) finish(false);
    if (chunks_->progress() == Progress::refused) finish(true);
    cap_body();
    return used;
  }
  if (state_ == State::sized) bytes = bytes.substr(0, body_left_);
  body += bytes.substr(0, body_limit_ + 1 - body.size());
  body_left_ -= bytes.size();
  if (state_ == State::sized && body_left_ == 0) finish(false);
  cap_body();
  return bytes.size();
}

void ResponseParser::cap_body() {
  if (body.size() <= body_limit_) return;
  body.resize(body_limit_);
  finish(true);
}

void ResponseParser::end() {
  if (progress_ != Progress::more) return;
  reusable_ = false;
  if (!has_headers()) return refuse("malformed_response");
  finish(state_ != State::to_end);
}

void ResponseParser::finish(bool cut) {
  truncated = truncated || cut;
  if (cut) reusable_ = false;
  state_ = State::finished;
  progress_ = Progress::done;
}

void ResponseParser::refuse(std::string_view reason) {
  reason_ = reason;
  reusable_ = false;
  progress_ = Progress::refused;
}

}  // namespace postern::http
