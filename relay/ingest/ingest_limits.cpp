#include "relay/ingest/ingest_limits.hpp"

#include "relay/limits/source_prefix.hpp"

namespace postern::relay {
namespace {

constexpr std::array<std::string_view, kLimitRefusals> kNames = {"source", "workspace", "failures"};
constexpr std::size_t kAddressesMost = 50'000;

FailureLimiter::Rules rules_for(std::uint32_t per_minute) {
  const Duration refill = std::chrono::minutes(1);
  return {.burst = per_minute, .refill = refill / std::max(1U, per_minute), .sources = kAddressesMost};
}

std::string failure_key(const ReadySource& ready, std::string_view peer) {
  return std::string(ready.source->id.bytes()) + source_prefix(peer_address(peer));
}

}  // namespace

std::string_view to_text(LimitRefusal::By by) {
  return kNames[static_cast<std::size_t>(by)];
}

IngestLimits::IngestLimits(Limiter& limiter, const Clock& clock, std::uint32_t failures_per_minute,
                           prometheus::Registry& metrics)
    : limiter_(limiter),
      clock_(clock),
      failures_(clock, rules_for(failures_per_minute)),
      probation_(kAddressesMost) {
  auto& family = prometheus::BuildCounter()
                     .Name("postern_ingest_limited_total")
                     .Help("Requests answered 429, by the limit they met")
                     .Register(metrics);
  for (std::size_t i = 0; i < kLimitRefusals; ++i)
    refused_[i] = &family.Add({{"limit", std::string(kNames[i])}});
}

std::unexpected<LimitRefusal> IngestLimits::refuse(LimitRefusal refusal) {
  refused_[static_cast<std::size_t>(refusal.by)]->Increment();
  return std::unexpected(refusal);
}

std::expected<IngestLimits::Entry, LimitRefusal> IngestLimits::enter(const ReadySource& ready,
                                                                     std::string_view peer) {
  const SteadyTime now = clock_.steady();
  // Nobody has failed yet: the usual case, and no key has to be made for it.
  if (failures_.remembered() > 0 && ready.compiled && ready.compiled->is_signed()) {
    const std::string key = failure_key(ready, peer);
    if (!failures_.look(key).allowed) {
      const auto verdict = probation_.take(key, ready.source_limit.rate, now);
      if (verdict.allowed) return Entry::on_probation;
      return refuse({LimitRefusal::By::failures, ready.source_limit.rate.pace(), verdict});
    }
  }
  if (auto charged = charge(ready, now); !charged) return std::unexpected(charged.error());
  return Entry::charged;
}

std::expected<void, LimitRefusal> IngestLimits::verified(const ReadySource& ready, Entry entry) {
  if (entry == Entry::charged) return {};
  return charge(ready, clock_.steady());
}

void IngestLimits::give_back(const ReadySource& ready) {
  const SteadyTime now = clock_.steady();
  limiter_.give_back(ready.source_limit.key, ready.source_limit.rate, now);
  limiter_.give_back(ready.workspace_limit.key, ready.workspace_limit.rate, now);
}

std::expected<void, LimitRefusal> IngestLimits::failed(const ReadySource& ready, std::string_view peer) {
  const std::string key = failure_key(ready, peer);
  const auto before = failures_.look(key);
  if (!before.allowed) return refuse({LimitRefusal::By::failures, failures_.pace(), before});
  failures_.failed(key);
  return {};
}

std::expected<void, LimitRefusal> IngestLimits::charge(const ReadySource& ready, SteadyTime now) {
  const auto& source = ready.source_limit;
  const auto& workspace = ready.workspace_limit;
  auto verdict = limiter_.take(source.key, source.rate, now);
  if (!verdict.allowed) return refuse({LimitRefusal::By::source, source.rate.pace(), verdict});
  verdict = limiter_.take(workspace.key, workspace.rate, now);
  if (verdict.allowed) return {};
  limiter_.give_back(source.key, source.rate, now);
  return refuse({LimitRefusal::By::workspace, workspace.rate.pace(), verdict});
}

}  // namespace postern::relay
