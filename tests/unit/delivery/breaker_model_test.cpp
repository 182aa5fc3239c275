// The breaker against a model that keeps every outcome and works out the state from the whole list.
#include <gtest/gtest.h>

#include <deque>
#include <random>

#include "relay/delivery/breaker.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

class BreakerModel {
 public:
  explicit BreakerModel(BreakerPolicy policy) : policy_(policy) {}

  BreakerState state = BreakerState::closed;
  Time probe_at;
  std::uint64_t round = 1;

  unsigned probes_left() const {
    return state == BreakerState::half_open ? policy_.probes - probing_ - proven_ : 0;
  }
  std::uint64_t begin() {
    if (state == BreakerState::half_open) ++probing_;
    return round;
  }
  void record(std::uint64_t of, Health health, Time now) {
    if (of != round) return;
    if (state == BreakerState::half_open) return record_probe(health, now);
    if (health == Health::silent) return;
    seen_.push_back({now, health == Health::good});
    if (health == Health::bad && too_bad(now)) open(now);
  }
  void elapse(Time now) {
    if (state != BreakerState::open || now < probe_at) return;
    state = BreakerState::half_open;
    enter();
  }
  void close() {
    enter();
    state = BreakerState::closed;
    seen_.clear();
    wait_ = policy_.open_first;
  }
  Breaker::Counts counts(Time now) const {
    Breaker::Counts counts;
    for (const auto& [at, good] : seen_) {
      counts.in_a_row = good ? 0 : counts.in_a_row + 1;
      if (!in_window(at, now)) continue;
      ++counts.attempts;
      counts.failures += !good;
    }
    return counts;
  }

 private:
  // Tenths of the window, whole ones, the present one included.
  bool in_window(Time at, Time now) const {
    const auto tenth = policy_.window / 10;
    return now.time_since_epoch() / tenth - at.time_since_epoch() / tenth < 10;
  }
  bool too_bad(Time now) const {
    const auto it = counts(now);
    return it.in_a_row >= policy_.failures_in_a_row ||
           (it.attempts >= policy_.least_attempts &&
            it.failures * 100 >= it.attempts * policy_.failure_percent);
  }
  void record_probe(Health health, Time now) {
    --probing_;
    if (health == Health::bad) open(now);
    if (health == Health::good && ++proven_ == policy_.probes) close();
  }
  void open(Time now) {
    state = BreakerState::open;
    probe_at = now + wait_;
    wait_ = std::min(wait_ * 2, policy_.open_most);
    enter();
  }
  void enter() {
    ++round;
    probing_ = proven_ = 0;
  }

  BreakerPolicy policy_;
  Duration wait_ = policy_.open_first;
  unsigned probing_ = 0, proven_ = 0;
  std::deque<std::pair<Time, bool>> seen_;
};

BreakerPolicy random_policy(std::mt19937_64& dice) {
  BreakerPolicy policy;
  if (dice() % 2 == 0) return policy;
  policy.failure_percent = 1 + dice() % 100;
  policy.least_attempts = 1 + dice() % 20;
  policy.failures_in_a_row = 1 + dice() % 20;
  policy.window = std::chrono::seconds(1 + dice() % 600);
  policy.open_first = std::chrono::seconds(1 + dice() % 60);
  policy.open_most = policy.open_first * (1 + static_cast<int>(dice() % 20));
  policy.probes = 1 + dice() % 5;
  return policy;
}

void run(std::uint64_t seed) {
  std::mt19937_64 dice(seed);
  const BreakerPolicy policy = random_policy(dice);
  Breaker breaker(policy);
  BreakerModel model(policy);
  Time now{std::chrono::days(20'000)};
  std::deque<std::uint64_t> flying;
  const unsigned badness = dice() % 100;
  for (int step = 0; step < 40; ++step) {
    const auto roll = dice() % 100;
    now += dice() % 8 == 0 ? Duration(std::chrono::seconds(dice() % 120)) : Duration(dice() % 1'000'000);
    if (roll < 40) {
      if (breaker.lets_through()) {
        flying.push_back(breaker.begin());
        ASSERT_EQ(flying.back(), model.begin()) << "seed " << seed;
      }
    } else if (roll < 85 && !flying.empty()) {
      std::swap(flying.front(), flying[dice() % flying.size()]);
      const Health health = dice() % 10 == 0         ? Health::silent
                            : dice() % 100 < badness ? Health::bad
                                                     : Health::good;
      const BreakerState before = breaker.state();
      const bool moved = breaker.record(flying.front(), health, now);
      model.record(flying.front(), health, now);
      ASSERT_EQ(moved, breaker.state() != before) << "seed " << seed;
      flying.pop_front();
    } else if (roll < 98) {
      breaker.elapse(now);
      model.elapse(now);
    } else {
      breaker.reset(now);
      model.close();
    }
    ASSERT_EQ(breaker.state(), model.state) << "seed " << seed << " step " << step;
    ASSERT_EQ(breaker.probes_left(), model.probes_left()) << "seed " << seed << " step " << step;
    if (model.state == BreakerState::open)
      ASSERT_EQ(breaker.snapshot().probe_at, model.probe_at) << "seed " << seed << " step " << step;
    if (model.state == BreakerState::closed) {
      const auto mine = breaker.counts(now), theirs = model.counts(now);
      ASSERT_EQ(mine.attempts, theirs.attempts) << "seed " << seed << " step " << step;
      ASSERT_EQ(mine.failures, theirs.failures) << "seed " << seed << " step " << step;
      ASSERT_EQ(mine.in_a_row, theirs.in_a_row) << "seed " << seed << " step " << step;
    }
  }
}

TEST(BreakerModelTest, AgreesWithTheModelOver100000Lives) {
  for (std::uint64_t seed = 1; seed <= 100'000 && !testing::Test::HasFatalFailure(); ++seed) run(seed);
}

}  // namespace
}  // namespace postern::relay
