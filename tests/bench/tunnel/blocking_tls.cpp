#include "tests/bench/tunnel/blocking_tls.hpp"

#include <openssl/ssl.h>

#include <stdexcept>

namespace postern::bench {

void BlockingTls::Free::operator()(SSL* ssl) const {
  SSL_free(ssl);
}

BlockingTls::BlockingTls(boost::asio::ip::tcp::socket socket, const tunnel::TlsContext& tls)
    : socket_(std::move(socket)), ssl_(SSL_new(tls.native())) {
  socket_.native_non_blocking(false);
  socket_.set_option(boost::asio::ip::tcp::no_delay(true));
  SSL_set_fd(ssl_.get(), socket_.native_handle());
  const int done = tls.is_server() ? SSL_accept(ssl_.get()) : SSL_connect(ssl_.get());
  if (done != 1) throw std::runtime_error("TLS handshake");
}

std::size_t BlockingTls::read(char* out, std::size_t size) {
  std::size_t got = 0;
  return SSL_read_ex(ssl_.get(), out, size, &got) == 1 ? got : 0;
}

bool BlockingTls::read_all(char* out, std::size_t size) {
  std::size_t have = 0;
  while (have < size) {
    const std::size_t got = read(out + have, size - have);
    if (got == 0) return false;
    have += got;
  }
  return true;
}

bool BlockingTls::write(std::string_view bytes) {
  // A record at a time: the tunnel's settings allow writes in part.
  while (!bytes.empty()) {
    std::size_t put = 0;
    if (SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &put) != 1) return false;
    bytes.remove_prefix(put);
  }
  return true;
}

void BlockingTls::end_writing() {
  SSL_shutdown(ssl_.get());
}

}  // namespace postern::bench
