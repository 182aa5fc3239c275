#include "agent/tls_probe.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "tunnel-proto/tls_identity.hpp"

namespace postern::agent {
namespace {

std::string reason() {
  const unsigned long code = ERR_get_error();
  const char* text = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return text ? text : "the connection was closed, or nothing came for 5 s";
}

void limit_waiting(int fd) {
  const timeval five_seconds{5, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &five_seconds, sizeof five_seconds);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &five_seconds, sizeof five_seconds);
}

}  // namespace

Result<std::string> probe_tls(boost::asio::ip::tcp::socket socket, const Identity& identity) {
  boost::system::error_code ec;
  socket.native_non_blocking(false, ec);
  if (ec) return fail("tls_failed", ec.message());
  limit_waiting(socket.native_handle());
  const auto context = relay_tls(identity.trust(), identity.relay);
  if (!context) return std::unexpected(context.error());
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context->native()), &SSL_free);
  if (!ssl || SSL_set_fd(ssl.get(), socket.native_handle()) != 1) return fail("tls_failed", reason());
  ERR_clear_error();
  if (SSL_connect(ssl.get()) != 1) {
    if (SSL_get_verify_result(ssl.get()) == X509_V_ERR_APPLICATION_VERIFICATION) {
      ERR_clear_error();
      return fail("pin_mismatch", "Whoever answers there does not hold the relay's key.");
    }
    return fail("tls_failed", fmt::format("The TLS handshake failed: {}.", reason()));
  }
  std::string what = fmt::format("{} {}", SSL_get_version(ssl.get()), SSL_get_cipher_name(ssl.get()));
  SSL_shutdown(ssl.get());
  return what;
}

}  // namespace postern::agent
