#include "tests/support/beast_oracle.hpp"

#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

namespace postern::test {

namespace beast = boost::beast;

namespace {

std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

std::string compare_fields(const http::Head& head, const beast::http::fields& fields) {
  // Trailers are merged by Beast and dropped here: only what the head holds is compared, in order.
  auto theirs = fields.begin();
  for (const http::Header& ours : head.headers) {
    if (theirs == fields.end()) return "a field is missing: " + ours.name;
    if (view(theirs->name_string()) != ours.name) return "another field's name: " + ours.name;
    if (view(theirs->value()) != ours.value) return "another value of " + ours.name;
    ++theirs;
  }
  return theirs != fields.end() && head.framing != http::Framing::chunked ? "Beast has more fields" : "";
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
