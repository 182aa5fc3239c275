#pragma once
#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <map>
#include <unordered_map>
#include <vector>

#include "relay/delivery/attempt_loop.hpp"

namespace postern::relay {

/// Deliveries that were under way when their process died: one of them may have been why. Each time that
/// happens again fewer of them are tried at once, in the end one alone, so that the guilty one is the only
/// one that reaches the limit. Those that were met least go first: the innocent get through before the guilty
/// kills the process again. One that has survived a few seconds will hardly kill it now, and keeps the others
/// waiting no longer: a slow destination must not hold up the rest. Pure; one thread.
class Suspects {
 public:
  static constexpr Duration kProven = std::chrono::seconds(2);
  /// How many are tried at once after so many crashes.
  static constexpr std::size_t together(unsigned crashes) {
    return crashes <= 1 ? 256 : crashes == 2 ? 16 : 1;
  }

  void add(Launch launch) { waiting_[launch.job.leased.crashes].push_back(std::move(launch)); }

  /// Asked for each whose turn it is; false: where it goes there is no room now. Others are tried meanwhile.
  using Admit = std::function<bool(Launch&)>;
  /// Those that may begin now, to be marked and then tried.
  std::vector<Launch> next(SteadyTime now, const Admit& admit = [](Launch&) { return true; }) {
    std::erase_if(under_way_, [&](const auto& it) { return now - it.second.since >= kProven; });
    std::vector<Launch> company;
    for (auto line = waiting_.begin(); line != waiting_.end();) {
      if (under_way_.size() >= room_beside(line->first)) break;
      take_from(*line, now, admit, company);
      line = line->second.empty() ? waiting_.erase(line) : std::next(line);
    }
    return company;
  }
  void over(std::uint64_t lease_token) { under_way_.erase(lease_token); }

  /// All that wait, when nothing more is to be tried.
  std::vector<Launch> give_up() {
    std::vector<Launch> all;
    for (auto& [crashes, launches] : waiting_) std::ranges::move(launches, std::back_inserter(all));
    waiting_.clear();
    return all;
  }
  bool idle() const { return under_way_.empty() && waiting_.empty(); }

 private:
  struct Entry {
    unsigned crashes = 0;
    SteadyTime since;
  };
  using Line = std::pair<const unsigned, std::deque<Launch>>;
  void take_from(Line& line, SteadyTime now, const Admit& admit, std::vector<Launch>& company) {
    auto& [crashes, launches] = line;
    auto kept = launches.begin();
    for (auto it = kept; it != launches.end(); ++it) {
      if (under_way_.size() < room_beside(crashes) && admit(*it)) {
        under_way_.emplace(it->ticket.lease_token, Entry{crashes, now});
        company.push_back(std::move(*it));
      } else {
        if (kept != it) *kept = std::move(*it);
        ++kept;
      }
    }
    launches.erase(kept, launches.end());
  }
  /// The most suspect decides how large the company may be.
  std::size_t room_beside(unsigned crashes) const {
    for (const auto& [token, entry] : under_way_) crashes = std::max(crashes, entry.crashes);
    return together(crashes);
  }

  std::map<unsigned, std::deque<Launch>> waiting_;  ///< by crashes
  std::unordered_map<std::uint64_t, Entry> under_way_;
};

}  // namespace postern::relay
