#pragma once
#include <functional>
#include <map>

#include "base/clock.hpp"
#include "base/random.hpp"

namespace postern::simulation {

/// Virtual time, and what is to happen when. One seed decides everything: the same seed is the same run.
class Scheduler {
 public:
  explicit Scheduler(std::uint64_t seed) : random_(seed) {}

  Duration elapsed() const { return now_ - kStart; }
  SteadyTime now() const { return now_; }
  /// The true time.
  Time wall() const { return kWall + elapsed(); }
  void after(Duration wait, std::function<void()> what) { tasks_.emplace(now_ + wait, std::move(what)); }
  /// The next of them. False when nothing is left, or nothing before `until`.
  bool step(SteadyTime until) {
    if (tasks_.empty() || tasks_.begin()->first > until) return false;
    auto task = tasks_.extract(tasks_.begin());
    now_ = std::max(now_, task.key());
    note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
    task.mapped()();
    return true;
  }
  /// Something that tells one run from another.
  void note(std::uint64_t what) { trace_ = (trace_ ^ what) * 1'099'511'628'211U; }

  /// Of all that has happened and when: the same run, the same number.
  std::uint64_t trace() { return trace_ ^ random_.u64(); }

  Random& random() { return random_; }
  std::uint64_t below(std::uint64_t bound) { return random_.u64() % bound; }
  bool chance(unsigned percent) { return below(100) < percent; }
  Duration between(std::int64_t from_ms, std::int64_t to_ms) {
    const auto span = static_cast<std::uint64_t>((to_ms - from_ms) * 1000 + 1);
    return std::chrono::milliseconds(from_ms) + Duration(static_cast<std::int64_t>(below(span)));
  }

 private:
  static constexpr SteadyTime kStart{std::chrono::hours(1000)};
  static constexpr Time kWall{std::chrono::seconds(1'700'000'000)};
  SteadyTime now_ = kStart;
  std::uint64_t trace_ = 14'695'981'039'346'656'037U;
  SeededRandom random_;
  std::multimap<SteadyTime, std::function<void()>> tasks_;  // equal times: first come, first served
};

}  // namespace postern::simulation
