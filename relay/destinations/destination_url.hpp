#pragma once
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/http/client.hpp"
#include "relay/destinations/egress_policy.hpp"
#include "relay/model.hpp"

namespace postern::relay {

inline constexpr std::size_t kMostUrlBytes = 2048;

/// A destination's URL, taken apart and judged: what the REST API checks at creation and a driver before it
/// dials. Errors, with a message fit for the API:
///  - `invalid_url`: malformed, over kMostUrlBytes, user info, fragment, a blank, control, backslash or
///  non-ASCII byte
///    (international names are written in their xn-- form), or a host that is a number in disguise
///    (2130706433, 0x7f.1, 127.1, 127.0.0.1.): resolvers read those as addresses, people as names;
///  - `unsupported_scheme`: neither http nor https, nor, for agents, http+unix (the path of a socket on the
///    agent's host stands percent-encoded in the place of the host; the origin's host is then unix:/path);
///    for slack http too, as the URL is the secret, unless it
///  names an
///    address the operator allowed;
///  - `port_refused`: port 0, or one of another protocol that could take the bytes of a request for its own
///    (the "bad ports" of the Fetch standard: 25, 6667, …). For agents any port: the agent's allow-list
///    decides;
///  - `address_refused`: the host is a literal address the policy refuses; says which setting allows it.
///  Names are
///    judged when they are dialled, by their address. For agents nothing is refused here.
Result<http::Url> parse_destination_url(DestinationKind kind, std::string_view url,
                                        const EgressPolicy& policy);

/// The same, for who only wants to know.
Result<void> validate_destination_url(DestinationKind kind, std::string_view url, const EgressPolicy& policy);

/// For attempts, logs and lists: scheme, host and path, with a query shown as "?…"; of a slack URL only
/// scheme and host, as its path is a secret.
std::string url_without_credentials(DestinationKind kind, const http::Url& url);

}  // namespace postern::relay
