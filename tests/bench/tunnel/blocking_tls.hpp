#pragma once
#include <boost/asio/ip/tcp.hpp>

#include <memory>
#include <string_view>

#include "tunnel-proto/tls_identity.hpp"

using SSL = struct ssl_st;

namespace postern::bench {

/// TLS on a blocking socket, with the settings of the tunnel and none of its code.
class BlockingTls {
 public:
  /// Shakes hands. Throws when that fails.
  BlockingTls(boost::asio::ip::tcp::socket socket, const tunnel::TlsContext& tls);

  std::size_t read(char* out, std::size_t size);  ///< 0 at the end
  bool write(std::string_view bytes);             ///< all of them; false when the peer has gone
  bool read_all(char* out, std::size_t size);
  void end_writing();

 private:
  struct Free {
    void operator()(SSL* ssl) const;
  };
  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<SSL, Free> ssl_;
};

}  // namespace postern::bench
