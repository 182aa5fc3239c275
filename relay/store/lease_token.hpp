#pragma once
#include <cstdint>

namespace postern::relay {

/// What a lease token says: the delivery's row in the low 44 bits, and above them how often it was leased,
/// modulo 2²⁰.
struct LeaseToken {
  std::int64_t row = 0;
  std::int64_t lease = 0;

  static constexpr unsigned kRowBits = 44;
  static constexpr std::int64_t kLeaseMask = (std::int64_t{1} << 20) - 1;

  std::uint64_t pack() const {
    return static_cast<std::uint64_t>(lease & kLeaseMask) << kRowBits | static_cast<std::uint64_t>(row);
  }
  static LeaseToken unpack(std::uint64_t token) {
    return {static_cast<std::int64_t>(token & ((std::uint64_t{1} << kRowBits) - 1)),
            static_cast<std::int64_t>(token >> kRowBits)};
  }
};

}  // namespace postern::relay
