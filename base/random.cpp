#include "base/random.hpp"

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <system_error>

namespace postern {

std::string Random::bytes(std::size_t size) {
  std::string out(size, '\0');
  fill(out.data(), size);
  return out;
}

std::uint64_t Random::u64() {
  std::uint64_t value = 0;
  fill(reinterpret_cast<char*>(&value), sizeof value);
  return value;
}

double Random::unit() {
  return static_cast<double>(u64() >> 11) * 0x1.0p-53;
}

void SystemRandom::fill(char* out, std::size_t size) {
  while (size > 0) {
    const ssize_t got = ::getrandom(out, size, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) throw std::system_error(errno, std::system_category(), "getrandom");
    out += got;
    size -= static_cast<std::size_t>(got);
  }
}

void SeededRandom::fill(char* out, std::size_t size) {
  while (size > 0) {
    const std::uint64_t word = engine_();
    const std::size_t part = std::min(size, sizeof word);
    std::memcpy(out, &word, part);
    out += part;
    size -= part;
  }
}

}  // namespace postern
