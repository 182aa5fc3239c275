#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>

namespace postern::bench {

/// Keeps every sample: a run has a few million at most, and percentiles of all of them need no apology.
class Latencies {
 public:
  void add(std::int64_t nanoseconds) { samples_.push_back(nanoseconds); }
  void merge(const Latencies& other) {
    samples_.insert(samples_.end(), other.samples_.begin(), other.samples_.end());
  }
  std::size_t count() const { return samples_.size(); }

  /// {"count":…,"p50_us":…,"p90_us":…,"p99_us":…,"p999_us":…,"max_us":…}
  std::string json() {
    std::sort(samples_.begin(), samples_.end());
    return fmt::format(
        R"({{"count":{},"p50_us":{:.1f},"p90_us":{:.1f},"p99_us":{:.1f},"p999_us":{:.1f},"max_us":{:.1f}}})",
        samples_.size(), at(0.50), at(0.90), at(0.99), at(0.999), at(1.0));
  }

 private:
  double at(double share) const {
    if (samples_.empty()) return 0;
    const auto index = static_cast<std::size_t>(share * static_cast<double>(samples_.size() - 1));
    return static_cast<double>(samples_[index]) / 1000.0;
  }

  std::vector<std::int64_t> samples_;
};

}  // namespace postern::bench
