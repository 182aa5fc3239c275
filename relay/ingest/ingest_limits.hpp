#pragma once
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <array>
#include <expected>
#include <string_view>

#include "relay/ingest/source_cache.hpp"
#include "relay/limits/failure_limiter.hpp"
#include "relay/limits/local_limiter.hpp"

namespace postern::relay {

/// Why a request is answered 429.
struct LimitRefusal {
  enum class By { source, workspace, failures } by = By::source;
  Pace pace;
  Gcra::Verdict verdict;
};
inline constexpr std::size_t kLimitRefusals = 3;
std::string_view to_text(LimitRefusal::By by);

/// What a source takes, and all sources of its workspace, from whoever; and how an address fares whose
/// signatures were wrong too often.
///
/// A forged request must not use up what honest senders have, and an address must not be locked out by what
/// others send from it (a proxy in front, a provider that serves many). So an address with too many failures
/// at a source is on probation there: it draws on an allowance of its own, as large as the source's; its
/// requests are still verified, and only those whose signature is right are charged to the source and its
/// workspace.
///
///   postern_ingest_limited_total{limit="source|workspace|failures"}
/// Safe from any thread.
class IngestLimits {
 public:
  /// How a request was let in at its head; it says so again once its signature is known.
  enum class Entry : std::uint32_t { charged, on_probation };

  /// References outlive it. `failures_per_minute` 0: signatures may be wrong as often as they like.
  IngestLimits(Limiter& limiter, const Clock& clock, std::uint32_t failures_per_minute,
               prometheus::Registry& metrics);

  /// Before the body is read. Charges at most once: what was refused is not charged anywhere.
  std::expected<Entry, LimitRefusal> enter(const ReadySource& ready, std::string_view peer);
  /// The signature was right.
  std::expected<void, LimitRefusal> verified(const ReadySource& ready, Entry entry);
  /// One that was charged, at its head or since, is not taken after all.
  void give_back(const ReadySource& ready);
  /// The signature was wrong. An error when it was so too often: the answer is 429 then, and nobody needs to
  /// hear of each one.
  std::expected<void, LimitRefusal> failed(const ReadySource& ready, std::string_view peer);

 private:
  std::expected<void, LimitRefusal> charge(const ReadySource& ready, SteadyTime now);
  std::unexpected<LimitRefusal> refuse(LimitRefusal refusal);

  Limiter& limiter_;
  const Clock& clock_;
  FailureLimiter failures_;
  LocalLimiter probation_;
  std::array<prometheus::Counter*, kLimitRefusals> refused_;
};

}  // namespace postern::relay
