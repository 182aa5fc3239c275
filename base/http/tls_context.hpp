#pragma once
#include <boost/asio/ssl/context.hpp>

#include <memory>
#include <string>

#include "base/error.hpp"

/// TLS settings of every listener and caller that speaks HTTP: TLS 1.2 with forward-secret AEAD ciphers,
/// and 1.3.
namespace postern::http {

using TlsContext = std::shared_ptr<boost::asio::ssl::context>;

/// From a certificate chain and its key, both PEM files. Error `tls_config` names the file.
Result<TlsContext> server_tls(const std::string& certificate_file, const std::string& key_file);

/// Trusts the system's authorities and, when named, those of `ca_file` (PEM). Sessions are never resumed: a
/// certificate is looked at on every connection. Error `tls_config` names the file.
Result<TlsContext> client_tls(const std::string& ca_file);

}  // namespace postern::http
