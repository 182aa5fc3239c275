#include "base/id.hpp"

#include <cstring>

namespace postern {
namespace {

constexpr std::string_view kAlphabet = "0123456789abcdefghjkmnpqrstvwxyz";

int value_of(char c) {
  const auto at = kAlphabet.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

}  // namespace

std::string uuid_to_text(const Uuid& uuid) {
  // 130 bits of text hold 128 of id: the first character carries only the top three bits.
  std::string out(26, '0');
  unsigned bits = 2;  // two zero bits in front
  std::uint32_t word = 0;
  std::size_t at = 0;
  for (const std::uint8_t byte : uuid) {
    word = word << 8 | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      out[at++] = kAlphabet[word >> bits & 31];
    }
    word &= (1U << bits) - 1;
  }
  return out;
}

std::optional<Uuid> uuid_from_text(std::string_view text) {
  if (text.size() != 26 || value_of(text[0]) > 7) return std::nullopt;
  Uuid uuid{};
  std::uint32_t word = 0;
  unsigned bits = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int value = value_of(text[i]);
    if (value < 0) return std::nullopt;
    word = word << 5 | static_cast<std::uint32_t>(value);
    bits += i == 0 ? 3 : 5;
    if (bits >= 8) {
      bits -= 8;
      uuid[at++] = static_cast<std::uint8_t>(word >> bits);
      word &= (1U << bits) - 1;
    }
  }
  return uuid;
}

Time uuid_time(const Uuid& uuid) {
  std::int64_t millis = 0;
  for (std::size_t i = 0; i < 6; ++i) millis = millis << 8 | uuid[i];
  return Time(std::chrono::milliseconds(millis));
}

Uuid IdGenerator::next() {
  const auto micros = static_cast<std::uint64_t>(to_micros(clock_.now()));
  const std::uint64_t stamp = (micros / 1000) << 12 | (micros % 1000 << 12) / 1000;
  const std::lock_guard lock(mutex_);
  last_ = std::max(last_ + 1, stamp);
  if (pool_used_ + 8 > pool_.size()) {
    random_.fill(pool_.data(), pool_.size());
    pool_used_ = 0;
  }
  Uuid uuid;
  for (std::size_t i = 0; i < 6; ++i) uuid[i] = static_cast<std::uint8_t>(last_ >> (52 - 8 * i));
  uuid[6] = static_cast<std::uint8_t>(0x70 | (last_ >> 8 & 0x0f));
  uuid[7] = static_cast<std::uint8_t>(last_);
  std::memcpy(uuid.data() + 8, pool_.data() + pool_used_, 8);
  pool_used_ += 8;
  uuid[8] = static_cast<std::uint8_t>(0x80 | (uuid[8] & 0x3f));
  return uuid;
}

}  // namespace postern
