#pragma once
#include <boost/asio/ip/address.hpp>

#include <string>
#include <string_view>

namespace postern::relay {

/// What counts as one source where a stranger's share is bounded: an IPv4 address (mapped ones are the same),
/// an IPv6 /64, which is what one host gets and can fill as it likes. Bytes, not text.
std::string source_prefix(const boost::asio::ip::address& source);

/// The address of "address:port" or "[address]:port", as http::Request::peer has it; unspecified for
/// anything else.
boost::asio::ip::address peer_address(std::string_view peer);

}  // namespace postern::relay
