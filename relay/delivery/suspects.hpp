#pragma once
#include <algorithm>
#include <deque>
#include <iterator>
#include <map>
#include <vector>

#include "relay/delivery/attempt_loop.hpp"

namespace postern::relay {

/// Deliveries that were under way when their process died: one of them may have been why. Each time that
/// happens again they are tried in smaller company, in the end alone, so that the guilty one is the only one
/// that reaches the limit. Those that were met least go first: the innocent get through before the guilty
/// kills the process again. Pure; one thread.
class Suspects {
 public:
  /// How many are tried at once after so many crashes.
  static constexpr std::size_t together(unsigned crashes) {
    return crashes <= 1 ? 256 : crashes == 2 ? 16 : 1;
  }

  void add(Launch launch) { waiting_[launch.job.leased.crashes].push_back(std::move(launch)); }
  /// The next company, to be marked and then tried; empty while one is under way, or when there is none.
  std::vector<Launch> next() {
    std::vector<Launch> company;
    if (under_way_ > 0 || waiting_.empty()) return company;
    const auto least = waiting_.begin();
    const std::size_t most = together(least->first);
    while (!least->second.empty() && company.size() < most) {
      company.push_back(std::move(least->second.front()));
      least->second.pop_front();
    }
    if (least->second.empty()) waiting_.erase(least);
    under_way_ = company.size();
    return company;
  }
  void over() { --under_way_; }  ///< one of the company
  /// All that wait, when nothing more is to be tried.
  std::vector<Launch> give_up() {
    std::vector<Launch> all;
    for (auto& [crashes, launches] : waiting_) std::ranges::move(launches, std::back_inserter(all));
    waiting_.clear();
    return all;
  }
  bool idle() const { return under_way_ == 0 && waiting_.empty(); }

 private:
  std::map<unsigned, std::deque<Launch>> waiting_;  ///< by crashes
  std::size_t under_way_ = 0;
};

}  // namespace postern::relay
