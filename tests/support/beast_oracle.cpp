#include "tests/support/beast_oracle.hpp"

#include <fmt/format.h>

#include <map>
#include <vector>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include "base/bytes.hpp"

namespace postern::test {

namespace beast = boost::beast;

namespace {

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

/// Beast keeps fields of one name together, so order is compared within each name. It merges trailers, which
/// are dropped here: after a chunked body its list for a name may be longer.
std::string compare_fields(const http::Head& head, const beast::http::fields& fields) {
  std::map<std::string, std::vector<const http::Header*>> by_name;
  for (const http::Header& field : head.headers) by_name[ascii_lower(field.name)].push_back(&field);
  for (const auto& [name, ours] : by_name) {
    const auto [first, last] = fields.equal_range(name);
    auto theirs = first;
    for (const http::Header* field : ours) {
      if (theirs == last) return "a field is missing: " + name;
      if (view(theirs->name_string()) != field->name) return "another spelling of " + name;
      if (view(theirs->value()) != field->value) return "another value of " + name;
      ++theirs;
    }
  }
  const auto count = static_cast<std::size_t>(std::distance(fields.begin(), fields.end()));
  const bool may_have_trailers = head.framing == http::Framing::chunked;
  return count != head.headers.size() && !may_have_trailers ? "Beast has other fields" : "";
}

}  // namespace

std::string disagreement_with_beast(std::string_view bytes, const http::Head& head, std::string_view body,
                                    std::size_t used) {
  beast::http::request_parser<beast::http::string_body> parser;
  parser.eager(true);
  parser.header_limit(1 << 20);
  parser.body_limit(1 << 30);
  beast::error_code error;
  std::size_t taken = 0;
  // Each call stops at a boundary of its own, so it is asked until it is done or wants more than there is.
  while (!parser.is_done() && taken < bytes.size() && !error) {
    const std::size_t n = parser.put(boost::asio::buffer(bytes.substr(taken)), error);
    taken += n;
    if (n == 0) break;
  }
  if (error && error != beast::http::error::need_more) return "Beast refuses it: " + error.message();
  if (!parser.is_done()) return "Beast wants more";
  if (taken != used) return fmt::format("Beast ends the request at {}, not {}", taken, used);
  const auto& message = parser.get();
  if (view(message.method_string()) != head.method) return "another method";
  if (view(message.target()) != head.target) return "another target";
  if (message.version() != (head.http10 ? 10u : 11u)) return "another version";
  if (message.body() != body) return "another body";
  return compare_fields(head, message.base());
}

}  // namespace postern::test
