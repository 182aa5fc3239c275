#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <string>

namespace postern::http {

/// Never waits: a socket of this host takes a connection at once, refuses it, or has a queue that is full
/// (`try_again`). Leaves the socket closed when there is an error. A socket of another family than its type
/// says is read, written and waited for all the same: only connecting differs. Boost's own connect to such a
/// path blocks while the queue is full, on a non-blocking socket too.
boost::system::error_code connect_unix(boost::asio::ip::tcp::socket& socket, const std::string& path);

}  // namespace postern::http
