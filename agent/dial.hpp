#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <vector>

#include "agent/host_port.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"

namespace postern::agent {

/// Connects to the first address of `target` that answers; each gets a few seconds, so that one that swallows
/// packets does not hide the next. Errors: `dns_failed`, `connect_failed`, `connect_timeout`; each names the
/// target. Addresses in `taken` come last, so that several sessions go to several addresses where there are.
boost::asio::awaitable<Result<boost::asio::ip::tcp::socket>> dial(
    HostPort target, std::vector<boost::asio::ip::tcp::endpoint> taken = {});

/// The look-up alone. Error `dns_failed`.
boost::asio::awaitable<Result<std::vector<boost::asio::ip::tcp::endpoint>>> look_up(HostPort target);

}  // namespace postern::agent
