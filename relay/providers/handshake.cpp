#include "relay/providers/handshake.hpp"

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kBodyBytesMax = 4 * 1024;
constexpr std::size_t kChallengeBytesMax = 256;

/// Of Content-Type, without its parameters.
bool is_json(const http::Headers& headers) {
  const std::string* const value = http::find_header(headers, "Content-Type");
  if (value == nullptr) return false;
  std::string_view type = std::string_view(*value).substr(0, value->find(';'));
  while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
  return ascii_iequals(type, "application/json");
}

bool is_challenge(std::string_view text) {
  constexpr std::string_view kHarmless =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=";
  return !text.empty() && text.size() <= kChallengeBytesMax &&
         text.find_first_not_of(kHarmless) == std::string_view::npos;
}

http::Response echo(std::string_view challenge) {
  return {.status = 200,
          .headers = {{"Content-Type", "text/plain; charset=utf-8"}, {"X-Content-Type-Options", "nosniff"}},
          .body = std::string(challenge)};
}

http::Response refuse() {
  return {.status = 400,
          .headers = {{"Content-Type", "application/json"}},
          .body = R"({"code":"challenge_refused","message":"the challenge is not one that can be echoed"})"};
}

std::optional<http::Response> url_verification(const http::Headers& headers, std::string_view body) {
  static const JsonPointer kType = JsonPointer::parse("/type").value();
  static const JsonPointer kChallenge = JsonPointer::parse("/challenge").value();
  const std::array<const JsonPointer*, 2> wanted = {&kType, &kChallenge};
  // No event is this short on purpose; a long one is not looked at again.
  if (body.size() > kBodyBytesMax) return std::nullopt;
  const JsonFound found = scan_json(body, wanted);
  if (found[0] != "url_verification") return std::nullopt;
  return is_json(headers) && found[1] && is_challenge(*found[1]) ? echo(*found[1]) : refuse();
}

}  // namespace

std::optional<http::Response> answer_handshake(const Provider& provider, const http::Headers& headers,
                                               std::string_view body) {
  switch (provider.handshake) {
    case Handshake::none:
      return std::nullopt;
    case Handshake::slack_url_verification:
      return url_verification(headers, body);
  }
  return std::nullopt;
}

}  // namespace postern::relay
