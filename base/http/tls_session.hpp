#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;

namespace postern::http {

/// What a step of TLS came to: done, or what the socket must become before the step is tried again.
enum class TlsStep { done, want_read, want_write, end, failed };

/// One TLS connection right on a non-blocking socket: OpenSSL reads and writes the descriptor itself and
/// gives its buffers back when they are empty, so an idle connection holds about 14 KiB instead of the 80 of
/// asio::ssl::stream. Never blocks, never raises SIGPIPE. The socket stays the caller's.
class TlsSession {
 public:
  static TlsSession server(SSL_CTX* context, int socket);
  /// Sends `host` as SNI unless it is a literal address, and with `verify` accepts only a certificate for it.
  static TlsSession client(SSL_CTX* context, int socket, const std::string& host, bool verify);

  TlsStep handshake();
  TlsStep read(char* out, std::size_t size, std::size_t& got);
  TlsStep write(const char* data, std::size_t size, std::size_t& put);
  /// Sends close_notify if the socket takes it at once; does not wait for the peer's.
  void say_goodbye();
  /// True when nothing but session tickets has come in since the last read, and the peer has not closed.
  bool quiet();

  /// The socket is being closed: every later step fails instead of touching a number that may be another's.
  void detach();

  /// Bytes that have gone to the socket, records and handshake included.
  std::uint64_t wire_bytes_out() const;
  /// SHA-256 of the public key (SPKI) that the peer has proved to hold; empty before the handshake is done.
  std::string peer_key_sha256() const;
  /// One line about the last step that failed: the certificate's fault where it was one.
  const std::string& failure() const { return failure_; }

 private:
  struct Freer {
    void operator()(SSL* ssl) const;
  };
  struct Wire;

  TlsSession(SSL_CTX* context, int socket);
  TlsStep outcome(int result);

  std::unique_ptr<Wire> wire_;
  std::unique_ptr<SSL, Freer> ssl_;
  std::string failure_;

 public:
  TlsSession(TlsSession&&) noexcept;
  ~TlsSession();
};

}  // namespace postern::http
