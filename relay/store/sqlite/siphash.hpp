#pragma once
#include <array>
#include <cstdint>
#include <string_view>

namespace postern::relay {

/// SipHash-2-4 (Aumasson and Bernstein, 2012): a short keyed hash. Whoever does not know the key cannot make
/// two inputs collide on purpose, nor fill one bucket of a table.
using SipKey = std::array<std::uint64_t, 2>;
std::uint64_t siphash(const SipKey& key, std::string_view bytes);

}  // namespace postern::relay
