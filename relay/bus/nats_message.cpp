#include "relay/bus/nats_message.hpp"

#include "base/config.hpp"

namespace postern::relay {
namespace {

struct Parts {
  std::string_view scheme;
  std::string_view user;  ///< with its '@'
  std::string_view address;
};

std::optional<Parts> split(std::string_view url) {
  const auto mark = url.find("://");
  if (mark == std::string_view::npos) return std::nullopt;
  const std::string_view rest = url.substr(mark + 3);
  const auto at = rest.rfind('@');
  const std::size_t begin = at == std::string_view::npos ? 0 : at + 1;
  return Parts{url.substr(0, mark), rest.substr(0, begin), rest.substr(begin)};
}

std::unexpected<Error> wrong(std::string_view what) {
  return fail("invalid_nats_url", fmt::format("{}; expected something like nats://nats.example:4222", what));
}

}  // namespace

Result<void> check_nats_server(std::string_view url) {
  for (const char c : url) {
    if (c <= ' ' || c >= '\x7f') return wrong("a URL of NATS has no blanks, control or non-ASCII characters");
  }
  const auto parts = split(url);
  if (!parts || (parts->scheme != "nats" && parts->scheme != "tls"))
    return wrong("a URL of NATS begins with nats:// or tls://");
  // Whether these are decoded depends on the library's version.
  if (parts->user.find('%') != std::string_view::npos)
    return wrong("user and password cannot be percent-encoded; with such characters use a credentials file");
  if (parts->address.find_first_of("/?#") != std::string_view::npos)
    return wrong("a URL of NATS ends with the port");
  const auto address = config::parse_address(parts->address);
  if (!address || address->host.empty() || address->port == 0)
    return wrong(fmt::format("\"{}\" is not host:port", parts->address));
  return {};
}

std::string nats_server_shown(std::string_view url) {
  const auto parts = split(url);
  return parts ? fmt::format("{}://{}", parts->scheme, parts->address) : std::string("nats");
}

std::size_t NatsMessage::bytes() const {
  std::size_t sum = subject.size() + data.size() + 256;
  for (const http::Header& header : headers) sum += header.name.size() + header.value.size();
  return sum;
}

}  // namespace postern::relay
