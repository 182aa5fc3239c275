#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <optional>
#include <string_view>

#include "base/http/tls_session.hpp"

namespace postern::http {

/// A TCP connection, with or without TLS on it, behind one face: what speaks HTTP here is compiled once for
/// both. One reader and one writer at a time, on the socket's loop. Deadlines are the owner's: close() from a
/// timer on the same loop ends whatever waits, with an error. Errors are returned, never thrown.
class Stream {
 public:
  using Error = boost::system::error_code;
  struct Read {
    Error error;  ///< eof when the peer ended cleanly or by closing the socket
    std::size_t size = 0;
  };

  explicit Stream(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  boost::asio::ip::tcp::socket& socket() { return socket_; }
  bool is_tls() const { return tls_.has_value(); }

  boost::asio::awaitable<Error> accept_tls(SSL_CTX* context);
  boost::asio::awaitable<Error> connect_tls(SSL_CTX* context, std::string host, bool verify);
  const std::string& tls_failure() const { return tls_->failure(); }
  std::string peer_key_sha256() const { return tls_->peer_key_sha256(); }

  boost::asio::awaitable<Read> read_some(char* out, std::size_t size);
  /// All of `first`, then all of `second`, with as few system calls as will do.
  boost::asio::awaitable<Error> write(std::string_view first, std::string_view second);

  struct Written {
    Error error;
    bool answered = false;  ///< the peer has sent something before all was written; the rest was not sent
  };
  /// As write(), but stops as soon as the peer says something: it may refuse a body it will not read.
  boost::asio::awaitable<Written> write_until_answer(std::string_view first, std::string_view second);

  /// Payload bytes may have left this process since the last call of mark().
  bool has_written() const { return raw_out() != mark_; }
  void mark() { mark_ = raw_out(); }

  /// A look, without waiting, that the peer has neither closed nor said anything.
  bool is_quiet();
  /// Waits until more than `known` bytes can be read, or the peer has ended, and shows what there is, of at
  /// most `size`; takes nothing. Before TLS only.
  boost::asio::awaitable<Read> peek_beyond(std::size_t known, char* out, std::size_t size);
  /// Ends our side: close_notify where there is TLS, then FIN.
  void finish_writing();
  void close();

 private:
  boost::asio::awaitable<Error> handshake();
  boost::asio::awaitable<Error> wait_for(TlsStep want);
  boost::asio::awaitable<Error> wait_either();
  boost::asio::awaitable<Written> write_plain_until_answer(std::string_view first, std::string_view second);
  boost::asio::awaitable<Written> write_tls_until_answer(std::string_view data);
  boost::asio::awaitable<Error> write_tls(std::string_view data);
  boost::asio::awaitable<Read> read_tls(char* out, std::size_t size);
  Error write_now(std::string_view& first, std::string_view& second);
  bool has_input();
  bool peer_has_ended();
  std::uint64_t raw_out() const { return tls_ ? tls_->wire_bytes_out() : plain_out_; }

  boost::asio::ip::tcp::socket socket_;
  std::optional<TlsSession> tls_;
  std::uint64_t plain_out_ = 0;
  std::uint64_t mark_ = 0;
};

}  // namespace postern::http
