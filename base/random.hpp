#pragma once
#include <cstdint>
#include <random>
#include <string>

namespace postern {

/// Where randomness comes from. Passed in, so that a test can repeat a run from its seed.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(char* out, std::size_t size) = 0;

  std::string bytes(std::size_t size);
  std::uint64_t u64();
  double unit();  ///< uniform in [0, 1)
};

/// The kernel's generator. Fit for keys and nonces; safe from any thread.
class SystemRandom final : public Random {
 public:
  void fill(char* out, std::size_t size) override;
};

/// Repeatable, for tests and simulation only. One thread.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  void fill(char* out, std::size_t size) override;

 private:
  std::mt19937_64 engine_;
};

}  // namespace postern
