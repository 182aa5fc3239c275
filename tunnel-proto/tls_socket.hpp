#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "tunnel-proto/tls_identity.hpp"

using SSL = struct ssl_st;

namespace postern::tunnel {

/// TLS right on a non-blocking socket: OpenSSL's record buffers exist only while a record is under way, and
/// there are no others. An idle one costs about 15 KiB (an asio::ssl::stream: 70 to 80).
class TlsSocket {
 public:
  enum class Io {
    ok,
    want_read,   ///< again when the socket is readable
    want_write,  ///< again, with the same bytes, when it is writable
    eof,         ///< the peer has ended it, with close_notify
    failed,      ///< error() says how
  };

  TlsSocket(boost::asio::ip::tcp::socket socket, const TlsContext& context);
  ~TlsSocket();
  TlsSocket(const TlsSocket&) = delete;
  TlsSocket& operator=(const TlsSocket&) = delete;

  Io handshake();                            ///< ok: finished on this side, and the peer speaks kAlpn
  bool secured() const { return secured_; }  ///< handshake() has returned ok
  Io read(char* out, std::size_t size, std::size_t& got);
  Io write(std::string_view bytes, std::size_t& put);  ///< may take a part
  Io close_notify();
  /// Raw bytes, thrown away: after close_notify, so that unread ones do not turn the close into a reset. eof
  /// or want_read.
  Io discard();

  /// Only after handshake() has returned ok: before that a server's keying material does not bind the client.
  std::string export_key(std::string_view context) const;

  boost::asio::ip::tcp::socket& socket() { return socket_; }
  void close();
  const Error& error() const { return error_; }

 private:
  Io result(int returned);
  Io failed(std::string code, std::string message);
  Io tls_failure();
  bool alpn_agreed() const;

  boost::asio::ip::tcp::socket socket_;
  SSL* ssl_;
  bool secured_ = false;
  Error error_;
};

}  // namespace postern::tunnel
