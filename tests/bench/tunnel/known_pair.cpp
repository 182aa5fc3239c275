#include "tests/bench/tunnel/known_pair.hpp"

#include <iostream>

#include "base/bytes.hpp"
#include "base/clock.hpp"

namespace postern::bench {

void say_ready(std::uint16_t port, const std::string& pin) {
  std::cout << "ready port=" << port << " pin=" << hex_encode(pin) << std::endl;
}

ServerKey ServerKey::make() {
  const auto identity = tunnel::generate_tls_identity("bench", SystemClock().now());
  return {tunnel::TlsContext::server(identity).value(),
          tunnel::spki_sha256(identity.certificate_pem).value()};
}

}  // namespace postern::bench
