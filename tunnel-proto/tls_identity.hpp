#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"

using SSL_CTX = struct ssl_ctx_st;

namespace postern::tunnel {

/// A relay's key and self-signed certificate, as PEM. The key is a secret.
struct TlsIdentity {
  std::string key_pem;  ///< ECDSA P-256, PKCS #8
  std::string certificate_pem;
};

/// A new P-256 key and a certificate for `common_name` (1..64 characters), valid from a day before `now` for
/// ten years.
TlsIdentity generate_tls_identity(std::string_view common_name, Time now);

/// SHA-256 of the certificate's SubjectPublicKeyInfo, 32 bytes: what agents pin (RFC 7469, 2.4). It stays the
/// same when a certificate is renewed with its key. `bad_certificate` when the PEM cannot be read.
Result<std::string> spki_sha256(std::string_view certificate_pem);

/// The same of a key that has no certificate yet: a PEM with a public key, a private one, or a certificate.
Result<std::string> spki_sha256_of_key(std::string_view pem);

/// Settings of one side, to be shared by all its connections and threads. TLS 1.3 only, ALPN "postern/1"
/// required on both sides, no tickets, no resumption, no early data: each connection has keying material of
/// its own.
class TlsContext {
 public:
  /// certificate_pem may hold a chain. `bad_tls_identity` when key or certificate cannot be read or do not
  /// belong together.
  static Result<TlsContext> server(const TlsIdentity& identity);
  /// Trusts exactly the keys whose SPKI SHA-256 is in `pins` (32 bytes each, at least one) and no CA. Names
  /// and dates in the certificate are not looked at: the pin is the identity.
  static TlsContext client(std::vector<std::string> pins);
  /// Trusts whoever a CA vouches for under the name `host` (an address is matched as one), in place of pins.
  /// The CAs are those in `ca_file` (PEM), or the system's when it is empty. Error `bad_ca_file`.
  static Result<TlsContext> client_by_name(const std::string& ca_file, const std::string& host);

  bool is_server() const { return server_; }
  SSL_CTX* native() const { return context_.get(); }

 private:
  TlsContext(std::shared_ptr<SSL_CTX> context, bool server) : context_(std::move(context)), server_(server) {}
  std::shared_ptr<SSL_CTX> context_;
  bool server_;
};

}  // namespace postern::tunnel
