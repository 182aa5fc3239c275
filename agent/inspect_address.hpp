#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <string_view>

#include "base/error.hpp"

namespace postern::agent {

/// Where the inspector listens when only asked for.
inline constexpr std::string_view kInspectAddress = "127.0.0.1:4040";

/// HOST:PORT with a literal loopback address, or localhost, which is 127.0.0.1. Error `invalid_address`: the
/// inspector shows webhooks and calls the app, so that nobody else on the network may reach it.
Result<boost::asio::ip::tcp::endpoint> parse_inspect_address(std::string_view text);

}  // namespace postern::agent
