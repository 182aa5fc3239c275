#include "base/http/tls_context.hpp"

#include <openssl/ssl.h>

namespace postern::http {

namespace asio = boost::asio;

namespace {

using Method = asio::ssl::context::method;

TlsContext make(Method method) {
  auto context = std::make_shared<asio::ssl::context>(method);
  SSL_CTX* native = context->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(native, "ECDHE+AESGCM:ECDHE+CHACHA20");
  SSL_CTX_set_options(native,
                      SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  return context;
}

std::unexpected<Error> broken(std::string_view what, const std::string& file,
                              const boost::system::error_code& error) {
  return fail("tls_config", fmt::format("cannot use {} {}: {}", what, file, error.message()));
}

}  // namespace

Result<TlsContext> server_tls(const std::string& certificate_file, const std::string& key_file) {
  TlsContext context = make(Method::tls_server);
  boost::system::error_code error;
  context->use_certificate_chain_file(certificate_file, error);
  if (error) return broken("certificate", certificate_file, error);
  context->use_private_key_file(key_file, asio::ssl::context::pem, error);
  if (error) return broken("key", key_file, error);
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return fail("tls_config",
                fmt::format("key {} does not belong to certificate {}", key_file, certificate_file));
  }
  return context;
}

Result<TlsContext> client_tls(const std::string& ca_file) {
  TlsContext context = make(Method::tls_client);
  SSL_CTX_set_session_cache_mode(context->native_handle(), SSL_SESS_CACHE_OFF);
  boost::system::error_code error;
  context->set_default_verify_paths(error);
  if (!ca_file.empty()) context->load_verify_file(ca_file, error);
  if (error) return broken("authorities", ca_file, error);
  return context;
}

}  // namespace postern::http
