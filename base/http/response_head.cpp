#include "base/http/response_head.hpp"

#include <charconv>
#include <ctime>

#include "base/bytes.hpp"
#include "base/http/chars.hpp"

namespace postern::http {

namespace {

bool is_framing(std::string_view name) {
  for (const std::string_view own : {"content-length", "transfer-encoding", "connection", "date"}) {
    if (ascii_iequals(name, own)) return true;
  }
  return false;
}

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_framing(std::string& out, const Response& response, bool close) {
  out += "\r\nDate: ";
  out += http_date();
  if (status_has_body(response.status)) {
    out += "\r\nContent-Length: ";
    append_number(out, response.body.size());
  }
  out += close ? "\r\nConnection: close\r\n" : "\r\n";
}

std::string format_date(std::time_t now) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  std::tm utc{};
  gmtime_r(&now, &utc);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", kDays.substr(3 * utc.tm_wday, 3),
                     utc.tm_mday, kMonths.substr(3 * utc.tm_mon, 3), utc.tm_year + 1900, utc.tm_hour,
                     utc.tm_min, utc.tm_sec);
}

}  // namespace

std::string_view http_date() {
  thread_local std::time_t second = -1;
  thread_local std::string text;
  const std::time_t now = std::time(nullptr);
  if (now != second) {
    second = now;
    text = format_date(now);
  }
  return text;
}

bool status_has_body(int status) {
  return status != 204 && status != 304;
}

bool write_response_head(std::string& out, const Response& response, bool close) {
  const std::size_t before = out.size();
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(response.status));
  out += ' ';
  out += reason_phrase(response.status);
  append_framing(out, response, close);
  for (const Header& field : response.headers) {
    if (!is_token(field.name) || !is_field_value(field.value)) return out.resize(before), false;
    if (is_framing(field.name)) continue;
    out += field.name;
    out += ": ";
    out += field.value;
    out += "\r\n";
  }
  out += "\r\n";
  return true;
}

}  // namespace postern::http
