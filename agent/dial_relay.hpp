#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "agent/dial.hpp"
#include "agent/proxy.hpp"

namespace postern::agent {

/// Connects to the relay, through the proxy where the rules say so; then the proxy looks its name up. What
/// follows the proxy's answer is left in the socket. Errors are those of dial(), and
///
///   proxy_unreachable     no TCP connection to the proxy    proxy_auth_required  it wants a user (407)
///   proxy_refused         another status                    proxy_bad_answer     not HTTP, or over 8 KiB
///   proxy_timeout         no whole answer within 10 s       proxy_closed         it hung up before one
///
/// each with what to do about it. `taken` is as in dial(); a proxy knows nothing of it. Neither user nor
/// password is ever in one.
boost::asio::awaitable<Result<boost::asio::ip::tcp::socket>> dial_relay(
    HostPort relay, ProxyRules rules, std::vector<boost::asio::ip::tcp::endpoint> taken = {});

}  // namespace postern::agent
