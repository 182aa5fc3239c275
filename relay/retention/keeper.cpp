#include "relay/retention/keeper.hpp"

#include "base/log.hpp"
#include "base/spawn.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;

constexpr Duration kRound = std::chrono::minutes(1);
constexpr Duration kBetweenBatches = std::chrono::milliseconds(20);
constexpr Duration kGiveWay = std::chrono::milliseconds(250);
constexpr std::size_t kShortQueue = 16;
constexpr int kGiveWayMost =
    40;  // then it goes on all the same: a relay that is always busy must not fill its disk
constexpr Duration kTurn = std::chrono::seconds(30);

prometheus::Gauge& oldest_gauge(prometheus::Registry& registry) {
  return prometheus::BuildGauge()
      .Name("postern_oldest_event_age_seconds")
      .Help("How old the oldest event is that is still there")
      .Register(registry)
      .Add({});
}

}  // namespace

RetentionKeeper::RetentionKeeper(KeeperParts parts)
    : parts_(std::move(parts)), timer_(parts_.loop), oldest_age_(oldest_gauge(parts_.metrics)) {
  auto& removed = prometheus::BuildCounter()
                      .Name("postern_retention_removed_total")
                      .Help("Removed by this process because their time was over")
                      .Register(parts_.metrics);
  auto& kept = prometheus::BuildGauge()
                   .Name("postern_retention_kept")
                   .Help("Past their time, and kept because an open delivery needs them")
                   .Register(parts_.metrics);
  for (const Retained what : {Retained::bodies, Retained::events, Retained::attempts}) {
    const auto i = static_cast<std::size_t>(what);
    removed_[i] = &removed.Add({{"what", std::string(to_text(what))}});
    kept_[i] = &kept.Add({{"what", std::string(to_text(what))}});
  }
}

void RetentionKeeper::start() {
  spawn(parts_.loop, run(), "retention.run");
}

void RetentionKeeper::stop() {
  stopping_ = true;
  timer_.cancel();
}

asio::awaitable<void> RetentionKeeper::pause(Duration time) {
  timer_.expires_after(time);
  co_await timer_.async_wait(asio::as_tuple(asio::use_awaitable));
}

asio::awaitable<void> RetentionKeeper::run() {
  while (!stopping_) {
    const bool more = co_await round();
    if (stopping_) break;
    co_await pause(more ? kBetweenBatches : kRound);
  }
}

/// One batch of every workspace that has something to remove; whether there may be more.
asio::awaitable<bool> RetentionKeeper::round() {
  auto job = [setting = parts_.retention, partitioned = parts_.partitioned,
              now = parts_.clock.now()](Transaction& tx) {
    RetentionRepository repository(tx, partitioned);
    Due due;
    for (const RetentionJob& each :
         retention_plan(setting, WorkspaceRepository(tx).all(), partitioned, now)) {
      if (repository.pending(each, now)) due.jobs.push_back(each);
    }
    for (const Retained what : {Retained::bodies, Retained::events, Retained::attempts})
      due.kept[static_cast<std::size_t>(what)] = repository.kept(what);
    due.oldest = repository.oldest_event();
    return due;
  };
  auto due = co_await read<Due>(parts_.database, std::move(job));
  if (!due) co_return false;
  show(*due);
  bool more = false;
  for (const RetentionJob& each : due->jobs) {
    co_await give_way();
    if (stopping_) co_return false;
    const bool worked = co_await batch(each);
    more |= worked;
  }
  co_return more;
}

void RetentionKeeper::show(const Due& due) {
  for (std::size_t i = 0; i < kept_.size(); ++i) kept_[i]->Set(static_cast<double>(due.kept[i]));
  const Duration age = due.oldest ? parts_.clock.now() - *due.oldest : Duration::zero();
  oldest_age_.Set(std::chrono::duration<double>(age).count());
}

asio::awaitable<void> RetentionKeeper::give_way() {
  for (int i = 0; i < kGiveWayMost && !stopping_; ++i) {
    if (parts_.database.stats().queue_depth < kShortQueue) co_return;
    co_await pause(kGiveWay);
  }
}

/// Whether it did something. False when another node has the turn.
asio::awaitable<bool> RetentionKeeper::batch(RetentionJob each) {
  auto job = [each, runner = parts_.runner, partitioned = parts_.partitioned,
              now = parts_.clock.now()](Transaction& tx) -> Result<RetentionBatch> {
    RetentionRepository repository(tx, partitioned);
    if (!repository.take_turn(runner, now, now + kTurn)) return RetentionBatch{};
    return repository.remove(each, now);
  };
  auto done = co_await write<RetentionBatch>(parts_.database, std::move(job));
  if (!done) {
    log::warn("retention.batch_failed", {{"what", to_text(each.what)}, {"error", done.error().message}});
    co_return false;
  }
  if (done->removed > 0) {
    removed_[static_cast<std::size_t>(each.what)]->Increment(static_cast<double>(done->removed));
    log::debug("retention.removed", {{"what", to_text(each.what)}, {"count", done->removed}});
  }
  co_return done->looked_at > 0;
}

}  // namespace postern::relay
