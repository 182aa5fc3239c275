#include "tunnel-proto/tls_socket.hpp"

#include <netinet/tcp.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <limits>
#include <stdexcept>
#include <utility>

#include "tunnel-proto/wire.hpp"

namespace postern::tunnel {
namespace {

// Below this much unsent the kernel asks for more. Higher: control frames and small requests wait behind
// bodies in the kernel, where they cannot overtake. Lower: more wake-ups for the same bytes. Measured on
// loopback, a gigabyte beside small requests: 128 KiB 1.36 s of CPU and a median of 590 µs, 32 KiB 1.40 s and
// 270 µs, 16 KiB no better.
constexpr int kUnsentInKernel = 32 * 1024;
constexpr unsigned kTcpUserTimeoutMs = 20'000;
constexpr std::size_t kExported = 32;

// --- A BIO on a descriptor that raises no SIGPIPE (OpenSSL's own calls write(2)) ---

int descriptor(BIO* bio) {
  return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
}

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

int bio_write(BIO* bio, const char* bytes, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t put = ::send(descriptor(bio), bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
  if (put < 0 && would_block()) BIO_set_retry_write(bio);
  return static_cast<int>(put);
}

int bio_read(BIO* bio, char* out, int size) {
  BIO_clear_retry_flags(bio);
  const ssize_t got = ::recv(descriptor(bio), out, static_cast<std::size_t>(size), 0);
  if (got < 0 && would_block()) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

long bio_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
  return 0;
}

BIO_METHOD* make_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern socket");
  if (method == nullptr) throw std::runtime_error("OpenSSL: BIO_meth_new");
  BIO_meth_set_write(method, &bio_write);
  BIO_meth_set_read(method, &bio_read);
  BIO_meth_set_ctrl(method, &bio_control);
  return method;
}

BIO* make_bio(int fd) {
  static BIO_METHOD* const method = make_method();
  BIO* bio = BIO_new(method);
  if (bio == nullptr) throw std::runtime_error("OpenSSL: BIO_new");
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
  BIO_set_init(bio, 1);
  return bio;
}

void tune(boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code ignored;  // none of these is worth a connection
  socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  const int fd = socket.native_handle();
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &kUnsentInKernel, sizeof kUnsentInKernel);
  (void)::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kTcpUserTimeoutMs, sizeof kTcpUserTimeoutMs);
}

}  // namespace

TlsSocket::TlsSocket(boost::asio::ip::tcp::socket socket, const TlsContext& context)
    : socket_(std::move(socket)), ssl_(SSL_new(context.native())) {
  if (ssl_ == nullptr) throw std::runtime_error("OpenSSL: SSL_new");
  boost::system::error_code ignored;  // a socket that has died already fails at the first read
  socket_.native_non_blocking(true, ignored);
  tune(socket_);
  BIO* const bio = make_bio(socket_.native_handle());
  SSL_set_bio(ssl_, bio, bio);
  if (context.is_server()) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
  }
}

TlsSocket::~TlsSocket() {
  SSL_free(ssl_);
}

void TlsSocket::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

TlsSocket::Io TlsSocket::handshake() {
  ERR_clear_error();
  const int returned = SSL_do_handshake(ssl_);
  if (returned != 1) return result(returned);
  if (!alpn_agreed()) return failed("tls_failed", "the peer does not speak postern/1");
  secured_ = true;
  return Io::ok;
}

bool TlsSocket::alpn_agreed() const {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return name != nullptr && std::string_view(reinterpret_cast<const char*>(name), size) == kAlpn;
}

TlsSocket::Io TlsSocket::read(char* out, std::size_t size, std::size_t& got) {
  ERR_clear_error();
  return result(SSL_read_ex(ssl_, out, size, &got));
}

TlsSocket::Io TlsSocket::write(std::string_view bytes, std::size_t& put) {
  ERR_clear_error();
  return result(SSL_write_ex(ssl_, bytes.data(), bytes.size(), &put));
}

TlsSocket::Io TlsSocket::close_notify() {
  if (!secured_) return Io::ok;
  ERR_clear_error();
  const int returned = SSL_shutdown(ssl_);
  if (returned < 0 && SSL_get_error(ssl_, returned) == SSL_ERROR_WANT_WRITE) return Io::want_write;
  boost::system::error_code ignored;
  socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  return Io::ok;
}

TlsSocket::Io TlsSocket::discard() {
  std::array<char, 4096> buffer;
  constexpr int kTurns = 64;
  for (int i = 0; i < kTurns; ++i) {
    const ssize_t got = ::recv(socket_.native_handle(), buffer.data(), buffer.size(), 0);
    if (got > 0) continue;
    return got < 0 && would_block() ? Io::want_read : Io::eof;
  }
  return Io::want_read;
}

TlsSocket::Io TlsSocket::result(int returned) {
  if (returned > 0) return Io::ok;
  const int saved = errno;
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
      return Io::want_read;
    case SSL_ERROR_WANT_WRITE:
      return Io::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return Io::eof;
    case SSL_ERROR_SYSCALL:
      return failed("connection_lost",
                    saved == 0 ? "the connection ended" : std::generic_category().message(saved));
    default:
      return tls_failure();
  }
}

TlsSocket::Io TlsSocket::tls_failure() {
  const unsigned long code = ERR_peek_error();
  if (ERR_GET_REASON(code) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
    return failed("connection_lost", "the connection ended without a farewell");
  }
  if (SSL_get_verify_result(ssl_) == X509_V_ERR_APPLICATION_VERIFICATION) {
    return failed("pin_mismatch",
                  "the relay's key is not the one this agent knows: it is another relay, its key has been "
                  "replaced, or something in between ends TLS.");
  }
  if (const long found = SSL_get_verify_result(ssl_); found != X509_V_OK) {
    return failed("untrusted",
                  std::string("no CA that is trusted here vouches for the relay under this name: ") +
                      X509_verify_cert_error_string(found));
  }
  const char* reason = ERR_reason_error_string(code);
  return failed("tls_failed", std::string("TLS: ") + (reason == nullptr ? "failed" : reason));
}

TlsSocket::Io TlsSocket::failed(std::string code, std::string message) {
  error_ = {std::move(code), std::move(message)};
  ERR_clear_error();
  return Io::failed;
}

std::string TlsSocket::export_key(std::string_view context) const {
  if (!secured_) throw std::logic_error("keying material before the end of the TLS handshake");
  std::string key(kExported, '\0');
  const int done = SSL_export_keying_material(
      ssl_, reinterpret_cast<unsigned char*>(key.data()), key.size(), kExporterLabel.data(),
      kExporterLabel.size(), reinterpret_cast<const unsigned char*>(context.data()), context.size(), 1);
  if (done != 1) throw std::runtime_error("OpenSSL: SSL_export_keying_material");
  return key;
}

}  // namespace postern::tunnel
