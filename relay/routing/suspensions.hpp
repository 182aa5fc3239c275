#pragma once
#include <string>
#include <unordered_map>

#include "base/clock.hpp"
#include "relay/routing/ruling.hpp"

namespace postern::relay {

/// Programs of a workspace that cost a worker three times in a row are not run for ten seconds: events that
/// need them are not taken meanwhile, instead of taking everybody's time. Pure; not safe from several
/// threads.
class Suspensions {
 public:
  static constexpr unsigned kStrikes = 3;
  static constexpr Duration kPause = std::chrono::seconds(10);
  static constexpr std::size_t kMost = 1024;  ///< then the oldest knowledge goes

  bool suspended(const WorkspaceId& whose, const RoutePrograms& programs, SteadyTime now) const {
    if (strikes_.empty()) return false;
    const auto found = strikes_.find(key(whose, programs));
    return found != strikes_.end() && found->second.count >= kStrikes && now < found->second.last + kPause;
  }

  /// What came of running it.
  void note(const WorkspaceId& whose, const RoutePrograms& programs, const Ruling& ruling, SteadyTime now) {
    const bool costly =
        ruling.kind == Ruling::Kind::failed && ruling.stage != Stage::input &&
        (ruling.fault == Fault::time || ruling.fault == Fault::memory || ruling.fault == Fault::crashed);
    if (!costly) {
      if (!strikes_.empty()) strikes_.erase(key(whose, programs));
      return;
    }
    if (strikes_.size() >= kMost) strikes_.clear();
    Strikes& strikes = strikes_[key(whose, programs)];
    ++strikes.count;
    strikes.last = now;
  }

 private:
  struct Strikes {
    unsigned count = 0;
    SteadyTime last;
  };
  static std::string key(const WorkspaceId& whose, const RoutePrograms& programs) {
    return std::string(whose.bytes()) + programs.filter + std::string(1, '\0') + programs.transform;
  }
  std::unordered_map<std::string, Strikes> strikes_;
};

}  // namespace postern::relay
