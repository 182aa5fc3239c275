#pragma once
#include <cstdint>
#include <string_view>

namespace postern::http {

/// What the first bytes of a connection say: whether it begins with a TLS ClientHello that offers one
/// protocol by ALPN (RFC 7301). No I/O, and nothing is taken: the bytes are TLS's.
enum class Offer : std::uint8_t {
  more,  ///< cannot be told yet
  yes,
  no,  ///< another protocol, none, no TLS at all (the first byte tells), or nothing that could be read
};

/// More than any ClientHello has; what is undecided at this size is `no`.
inline constexpr std::size_t kMostHello = 16 * 1024;

/// `bytes` are all so far, from the first one. Reads a hello over any number of records.
Offer offers_protocol(std::string_view bytes, std::string_view protocol);

}  // namespace postern::http
