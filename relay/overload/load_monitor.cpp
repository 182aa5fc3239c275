#include "relay/overload/load_monitor.hpp"

#include "base/log.hpp"

namespace postern::relay {
namespace {

double seconds(Duration duration) {
  return std::chrono::duration<double>(duration).count();
}

std::int64_t millis(Duration duration) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
}

}  // namespace

LoadMonitor::LoadMonitor(MonitorParts parts)
    : parts_(std::move(parts)), policy_(parts_.wait_most), lag_(parts_.loops) {
  auto& family =
      prometheus::BuildGauge()
          .Name("postern_load_wait_seconds")
          .Help("What an event waits for the store and for the loops, and an outcome to be recorded")
          .Register(parts_.metrics);
  store_ = &family.Add({{"of", "store"}});
  loops_ = &family.Add({{"of", "loops"}});
  outcome_ = &family.Add({{"of", "outcome"}});
}

LoadMonitor::~LoadMonitor() {
  stop();
}

void LoadMonitor::start() {
  thread_ = std::thread([this] { run(); });
}

void LoadMonitor::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  if (thread_.joinable()) thread_.join();
  lag_.close();
}

void LoadMonitor::run() {
  std::unique_lock lock(mutex_);
  while (!stopped_.wait_for(lock, kEvery, [this] { return stopping_; })) {
    lock.unlock();
    look(SystemClock().steady());
    lock.lock();
  }
}

void LoadMonitor::look(SteadyTime now) {
  const StorePressure pressure = parts_.store();
  const Duration lag = lag_.look();
  const LoadSample sample{.store_wait = estimate_.look(pressure),
                          .loop_wait = lag,
                          .outcome_wait = pressure.oldest_outcome,
                          .filled = pressure.filled};
  store_->Set(seconds(sample.store_wait));
  loops_->Set(seconds(sample.loop_wait));
  outcome_->Set(seconds(sample.outcome_wait));
  const LoadLevel level = policy_.look(sample, now);
  parts_.shedding.set(level);
  tell(level, sample, now);
}

void LoadMonitor::tell(LoadLevel level, const LoadSample& sample, SteadyTime now) {
  highest_ = std::max(highest_, level);
  if (level == told_ && highest_ == told_) return;
  if (told_at_ && now - *told_at_ < kToldEvery) return;
  log::write(level == LoadLevel::calm ? log::Level::info : log::Level::warn, "load.level",
             {{"level", to_text(level)},
              {"before", to_text(told_)},
              {"highest", to_text(highest_)},
              {"store_wait_ms", millis(sample.store_wait)},
              {"loop_wait_ms", millis(sample.loop_wait)},
              {"outcome_wait_ms", millis(sample.outcome_wait)},
              {"queue_filled_permille", sample.filled}});
  told_ = highest_ = level;
  told_at_ = now;
}

}  // namespace postern::relay
