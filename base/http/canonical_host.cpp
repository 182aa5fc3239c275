#include "base/http/canonical_host.hpp"

#include <boost/asio/ip/address.hpp>

#include "base/bytes.hpp"
#include "base/http/client.hpp"

namespace postern::http {

std::optional<std::string> canonical_address(std::string_view host) {
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(std::string(host), error);
  return error ? std::nullopt : std::optional(address.to_string());
}

std::string canonical_host(std::string_view host) {
  if (host.starts_with(kUnixHost)) return std::string(host);
  auto address = canonical_address(host);
  return address ? std::move(*address) : ascii_lower(host);
}

}  // namespace postern::http
