#include "relay/replay/decider.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;

constexpr Duration kInAll = std::chrono::milliseconds(500);
constexpr std::size_t kPayloadBytesInAll = std::size_t{4} * 1024 * 1024;  // one transaction writes them
constexpr std::size_t kRemembered = 1000;

/// Nobody waits for an answer; a large body takes its time to be read.
Duration patience(const Event& event) {
  const auto mebibytes = static_cast<std::int64_t>(event.body.size() >> 20);
  return std::chrono::seconds(2) + std::chrono::seconds(1) * mebibytes;
}

}  // namespace

asio::awaitable<Result<Decisions>> ReplayDecider::decide(ReplayRepository::Due which, PaceLimits limits) {
  auto fresh = co_await refresh_for(which.id);
  if (!fresh) co_return std::unexpected(fresh.error());
  auto job = [which, limits, now = parts_.clock.now()](Transaction& tx) {
    return replay_ahead(tx, which, limits, now);
  };
  auto ahead = co_await read<std::vector<Ahead>>(parts_.database, std::move(job));
  if (!ahead) co_return std::unexpected(ahead.error());
  Decisions decisions;
  const SteadyTime end = parts_.clock.steady() + kInAll;
  std::size_t bytes = 0;
  for (Ahead& next : *ahead) {
    if (must_end(end, bytes)) break;
    const DeliveryId id = next.id;
    auto decided = co_await decide_one(std::move(next));
    if (!decided) {
      decisions.waits_for = decided.error().code;
      break;
    }
    if (decided->delivery && decided->delivery->payload) bytes += decided->delivery->payload->body.size();
    decisions.made[id] = std::move(*decided);
  }
  co_return decisions;
}

asio::awaitable<Result<void>> ReplayDecider::refresh_for(ReplayId replay) {
  if (refreshed_.contains(replay)) co_return Result<void>();
  auto fresh = co_await parts_.refresh();
  if (!fresh) co_return fresh;
  if (refreshed_.size() == kRemembered) refreshed_.erase(refreshed_.begin());
  refreshed_.insert(replay);
  co_return fresh;
}

asio::awaitable<Result<Decision>> ReplayDecider::decide_one(Ahead next) {
  const auto catalog = parts_.catalog.current();
  Decision decision{route_basis(*catalog, next.event->source_id, next.destination_id), std::nullopt};
  if (!decision.basis) co_return decision;
  const Duration limit = patience(*next.event);
  auto decided =
      co_await parts_.routes.decide(catalog, std::move(next.event), next.destination_id, limit, true);
  if (!decided) co_return std::unexpected(decided.error());
  if (!decided->empty()) decision.delivery = std::move(decided->front());
  co_return decision;
}

bool ReplayDecider::must_end(SteadyTime end, std::size_t bytes) const {
  const bool shed = parts_.shedding != nullptr && parts_.shedding->gives_up(Work::replays);
  return stopping_ || shed || bytes >= kPayloadBytesInAll || parts_.clock.steady() > end;
}

}  // namespace postern::relay
