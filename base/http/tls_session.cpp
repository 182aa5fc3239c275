#include "base/http/tls_session.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <new>

#include "base/crypto.hpp"

namespace postern::http {

struct TlsSession::Wire {
  int socket;
  std::uint64_t out = 0;
};

namespace {

bool would_block() {
  return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

// OpenSSL's own socket BIO writes with write(2), which raises SIGPIPE. These two do not.
template <class Wire>
int wire_write(BIO* bio, const char* data, int size) {
  auto* wire = static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto n = ::send(wire->socket, data, static_cast<std::size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (n < 0 && would_block()) BIO_set_retry_write(bio);
  if (n > 0) wire->out += static_cast<std::uint64_t>(n);
  return static_cast<int>(n);
}

template <class Wire>
int wire_read(BIO* bio, char* out, int size) {
  const auto* wire = static_cast<Wire*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  const auto n = ::recv(wire->socket, out, static_cast<std::size_t>(size), MSG_DONTWAIT);
  if (n < 0 && would_block()) BIO_set_retry_read(bio);
  return static_cast<int>(n);
}

long wire_control(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

int wire_create(BIO* bio) {
  BIO_set_init(bio, 1);
  return 1;
}

template <class Wire>
BIO_METHOD* make_wire_method() {
  BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern socket");
  if (!method) throw std::bad_alloc();
  BIO_meth_set_write(method, wire_write<Wire>);
  BIO_meth_set_read(method, wire_read<Wire>);
  BIO_meth_set_ctrl(method, wire_control);
  BIO_meth_set_create(method, wire_create);
  return method;
}

bool is_literal(const std::string& host) {
  in6_addr any;
  return inet_pton(AF_INET, host.c_str(), &any) == 1 || inet_pton(AF_INET6, host.c_str(), &any) == 1;
}

void expect_host(SSL* ssl, const std::string& host) {
  if (is_literal(host)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host.c_str());
  } else {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, host.c_str());
  }
}

std::string describe(SSL* ssl) {
  const long verified = SSL_get_verify_result(ssl);
  if (verified != X509_V_OK) {
    return std::string("the certificate was not accepted: ") + X509_verify_cert_error_string(verified);
  }
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason ? reason : "the connection broke off";
}

}  // namespace

void TlsSession::Freer::operator()(SSL* ssl) const {
  SSL_free(ssl);
}

TlsSession::TlsSession(TlsSession&&) noexcept = default;
TlsSession::~TlsSession() = default;

TlsSession::TlsSession(SSL_CTX* context, int socket) : wire_(new Wire{socket}), ssl_(SSL_new(context)) {
  static BIO_METHOD* const method = make_wire_method<Wire>();
  BIO* bio = BIO_new(method);
  if (!ssl_ || !bio) throw std::bad_alloc();
  BIO_set_data(bio, wire_.get());
  SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_mode(ssl_.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                               SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_set_options(ssl_.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
}

TlsSession TlsSession::server(SSL_CTX* context, int socket) {
  TlsSession session(context, socket);
  SSL_set_accept_state(session.ssl_.get());
  return session;
}

TlsSession TlsSession::client(SSL_CTX* context, int socket, const std::string& host, bool verify) {
  TlsSession session(context, socket);
  SSL* ssl = session.ssl_.get();
  SSL_set_connect_state(ssl);
  if (!is_literal(host)) SSL_set_tlsext_host_name(ssl, host.c_str());
  if (verify) expect_host(ssl, host);
  SSL_set_verify(ssl, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  return session;
}

TlsStep TlsSession::outcome(int result) {
  if (result == 1) return TlsStep::done;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return TlsStep::want_read;
    case SSL_ERROR_WANT_WRITE:
      return TlsStep::want_write;
    case SSL_ERROR_ZERO_RETURN:
      return TlsStep::end;
    default:
      failure_ = describe(ssl_.get());
      return TlsStep::failed;
  }
}

TlsStep TlsSession::handshake() {
  ERR_clear_error();
  return outcome(SSL_do_handshake(ssl_.get()));
}

TlsStep TlsSession::read(char* out, std::size_t size, std::size_t& got) {
  ERR_clear_error();
  return outcome(SSL_read_ex(ssl_.get(), out, size, &got));
}

TlsStep TlsSession::write(const char* data, std::size_t size, std::size_t& put) {
  ERR_clear_error();
  return outcome(SSL_write_ex(ssl_.get(), data, size, &put));
}

void TlsSession::say_goodbye() {
  ERR_clear_error();
  if (SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
}

bool TlsSession::quiet() {
  char byte;
  std::size_t got = 0;
  ERR_clear_error();
  return outcome(SSL_peek_ex(ssl_.get(), &byte, 1, &got)) == TlsStep::want_read;
}

void TlsSession::detach() {
  wire_->socket = -1;
}

std::uint64_t TlsSession::wire_bytes_out() const {
  return wire_->out;
}

std::string TlsSession::peer_key_sha256() const {
  const std::unique_ptr<X509, decltype(&X509_free)> certificate(SSL_get1_peer_certificate(ssl_.get()),
                                                                &X509_free);
  if (!certificate) return {};
  unsigned char* encoded = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate.get()), &encoded);
  if (size <= 0) return {};
  std::string hash = sha256({reinterpret_cast<const char*>(encoded), static_cast<std::size_t>(size)});
  OPENSSL_free(encoded);
  return hash;
}

}  // namespace postern::http
