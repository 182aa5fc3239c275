#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

#include "base/config.hpp"
#include "base/error.hpp"
#include "control/settings.hpp"

namespace postern::control {

/// Where to bind. A name is looked up; its first address counts. Error `listen_failed`.
Result<boost::asio::ip::tcp::endpoint> resolve_listen(const config::Address& address);

std::string to_text(const boost::asio::ip::tcp::endpoint& endpoint);  ///< host:port
/// "http://host:port", with the loopback in place of a wildcard address.
std::string url_of(std::string_view scheme, const boost::asio::ip::tcp::endpoint& endpoint);
/// What agents are told to dial: the bound address, with this host's name in place of a wildcard.
config::Address dialled_by_agents(const boost::asio::ip::tcp::endpoint& endpoint);

/// TLS 1.2 and 1.3 for the ingest listener; null without a certificate. Error `tls_unusable` names the file.
Result<std::shared_ptr<boost::asio::ssl::context>> ingest_tls(const IngestSettings& settings);

}  // namespace postern::control
