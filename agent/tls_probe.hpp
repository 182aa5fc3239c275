#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <string>

#include "agent/state.hpp"
#include "base/error.hpp"

namespace postern::agent {

/// A TLS handshake with the relay and nothing else. Blocks for at most 5 s between bytes: for a command line,
/// not for a loop with other work. Answers which version and cipher it is. Errors: `pin_mismatch`,
/// `tls_failed`, `bad_ca_file`.
Result<std::string> probe_tls(boost::asio::ip::tcp::socket socket, const Identity& identity);

}  // namespace postern::agent
