#include "relay/limits/source_prefix.hpp"

namespace postern::relay {

namespace ip = boost::asio::ip;

std::string source_prefix(const ip::address& source) {
  if (source.is_v4()) return source.to_string();
  const ip::address_v6 v6 = source.to_v6();
  if (v6.is_v4_mapped()) return make_address_v4(ip::v4_mapped, v6).to_string();
  const auto bytes = v6.to_bytes();
  return {reinterpret_cast<const char*>(bytes.data()), 8};
}

ip::address peer_address(std::string_view peer) {
  boost::system::error_code ec;
  std::string_view host = peer.substr(0, peer.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  const auto address = ip::make_address(std::string(host), ec);
  return ec ? ip::address() : address;
}

}  // namespace postern::relay
