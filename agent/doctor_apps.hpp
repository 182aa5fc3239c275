#pragma once
#include <boost/asio/awaitable.hpp>

#include <vector>

#include "agent/check.hpp"
#include "agent/serving.hpp"

namespace postern::agent {

/// A line for each entry of the allow-list: that the app takes connections, and, where the entry names a key
/// or port 443, that TLS with it comes about as it would for a delivery. No request is sent.
boost::asio::awaitable<void> check_apps(Serving serving, std::vector<Check>& checks);

}  // namespace postern::agent
