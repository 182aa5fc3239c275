#pragma once
#include <boost/asio/ip/address.hpp>

#include <string>

namespace postern::relay {

/// What counts as one source where a stranger's share is bounded: an IPv4 address (mapped ones are the same),
/// an IPv6 /64, which is what one host gets and can fill as it likes. Bytes, not text.
inline std::string source_prefix(const boost::asio::ip::address& source) {
  using namespace boost::asio::ip;
  if (source.is_v4()) return source.to_string();
  const address_v6 v6 = source.to_v6();
  if (v6.is_v4_mapped()) return make_address_v4(v4_mapped, v6).to_string();
  const auto bytes = v6.to_bytes();
  return {reinterpret_cast<const char*>(bytes.data()), 8};
}

}  // namespace postern::relay
