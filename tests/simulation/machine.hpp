#pragma once
#include <functional>
#include <utility>
#include <vector>

#include "tests/simulation/scheduler.hpp"

namespace postern::simulation {

/// A computer that may be suspended: nothing happens on it then, its steady clock stands still, and what has
/// come meanwhile comes when it wakes, in its order. Its processes may die in its sleep. Its wall clock may
/// be set.
class Machine {
 public:
  explicit Machine(Scheduler& scheduler) : scheduler_(scheduler) {}

  SteadyTime now() const { return (asleep_ ? since_ : scheduler_.now()) - slept_; }
  Time wall() const { return scheduler_.wall() + wall_off_; }
  void set_wall(Duration off) { wall_off_ = off; }  ///< from the true time
  bool awake() const { return !asleep_; }
  /// At once, or on waking.
  void run(std::function<void()> what) {
    if (!asleep_) return what();
    waiting_.push_back(std::move(what));
  }
  void after(Duration wait, std::function<void()> what) {
    scheduler_.after(wait, [this, what = std::move(what)] { run(what); });
  }
  void suspend(Duration time) {
    if (std::exchange(asleep_, true)) return;
    since_ = scheduler_.now();
    scheduler_.after(time, [this] { wake(); });
  }

 private:
  void wake() {
    slept_ += scheduler_.now() - since_;
    asleep_ = false;
    for (const auto& what : std::exchange(waiting_, {})) what();
  }

  Scheduler& scheduler_;
  bool asleep_ = false;
  SteadyTime since_;
  Duration slept_{};
  Duration wall_off_{};
  std::vector<std::function<void()>> waiting_;
};

class MachineClock final : public Clock {
 public:
  explicit MachineClock(const Machine& machine) : machine_(machine) {}
  Time now() const override { return machine_.wall(); }
  SteadyTime steady() const override { return machine_.now(); }

 private:
  const Machine& machine_;
};

}  // namespace postern::simulation
