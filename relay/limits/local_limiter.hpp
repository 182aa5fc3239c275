#pragma once
#include "relay/limits/limiter.hpp"
#include "relay/limits/limiter_table.hpp"

namespace postern::relay {

inline constexpr std::size_t kLimiterKeysMost = 65'536;

/// The limits of one node that stands alone: exact.
class LocalLimiter final : public Limiter {
 public:
  explicit LocalLimiter(std::size_t keys_most = kLimiterKeysMost) : table_(keys_most) {}

  Gcra::Verdict take(std::string_view key, const RateLimit& limit, SteadyTime now) override;
  void give_back(std::string_view key, const RateLimit& limit, SteadyTime now) override;
  /// See Gcra.
  Gcra::Verdict take(std::string_view key, const RateLimit& limit, SteadyTime now, std::uint32_t times);
  Gcra::Verdict look(std::string_view key, const RateLimit& limit, SteadyTime now);
  std::size_t keys() const { return table_.size(); }

 private:
  LimiterTable table_;
};

}  // namespace postern::relay
