#include "base/http/message.hpp"

#include "base/bytes.hpp"

namespace postern::http {

const std::string* find_header(const Headers& headers, std::string_view name) {
  for (const Header& header : headers) {
    if (ascii_iequals(header.name, name)) return &header.value;
  }
  return nullptr;
}

std::size_t count_header(const Headers& headers, std::string_view name) {
  std::size_t count = 0;
  for (const Header& header : headers) count += ascii_iequals(header.name, name) ? 1 : 0;
  return count;
}

std::string_view Request::path() const {
  const std::string_view before_query = std::string_view(target).substr(0, target.find('?'));
  if (before_query.starts_with('/') || before_query == "*") return before_query;
  const auto authority = before_query.find("://");
  if (authority == std::string_view::npos) return before_query;
  const auto slash = before_query.find('/', authority + 3);
  return slash == std::string_view::npos ? std::string_view("/") : before_query.substr(slash);
}

std::string_view Request::query() const {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    const auto byte = hex_decode(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1 || (*byte)[0] == '\0') return std::nullopt;
    out += *byte;
    i += 2;
  }
  return out;
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kUnreserved =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos)
      out += c;
    else
      out += "%" + hex_encode(std::string_view(&c, 1));
  }
  return out;
}

std::vector<std::string> query_values(std::string_view query, std::string_view name) {
  std::vector<std::string> values;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), pair.size() + 1));
    const auto equals = pair.find('=');
    std::string spaced(equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1));
    std::replace(spaced.begin(), spaced.end(), '+', ' ');
    const auto key = percent_decode(pair.substr(0, equals));
    auto value = percent_decode(spaced);
    if (key && value && *key == name) values.push_back(std::move(*value));
  }
  return values;
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 415:
      return "Unsupported Media Type";
    case 417:
      return "Expectation Failed";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return "Status";
  }
}

}  // namespace postern::http
