#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace postern::http {

/// The one spelling of a literal address (`::1` for `0:0:0:0:0:0:0:1`), IPv6 without brackets; nullopt for a
/// name.
std::optional<std::string> canonical_address(std::string_view host);

/// Equal for hosts that are the same one: the address, or the name in lower case. A unix socket
/// (kUnixHost of client.hpp) stays as it is.
std::string canonical_host(std::string_view host);

}  // namespace postern::http
