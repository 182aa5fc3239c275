#pragma once
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/allow_list.hpp"
#include "base/clock.hpp"
#include "tunnel-proto/app_health.hpp"

namespace postern::agent {

/// Which apps can be reached, by what came of their deliveries, and when to look at one again that cannot. No
/// I/O; time is passed in.
///
/// One failure to reach an app is enough: it is looked at again at once, and what waits meanwhile costs
/// nobody anything. A look is a TCP connection, every half second at the longest. An app that takes
/// connections and then fails again (a certificate that is not trusted) is given back ever more rarely.
class AppWatch {
 public:
  static constexpr Duration kFirstLook = std::chrono::milliseconds(100);
  static constexpr Duration kLookEvery = std::chrono::milliseconds(500);
  static constexpr Duration kRelapseMost = std::chrono::seconds(60);

  // Each says whether the list has changed.
  bool answered(const HostPort& app, SteadyTime now);
  bool not_sent(const HostPort& app, std::string_view code, SteadyTime now);
  bool looked(const HostPort& app, bool reachable, SteadyTime now);
  /// Those that were not allowed and are now, and the other way round.
  bool rules_changed(const std::function<bool(const HostPort&)>& allowed);

  /// Those to look at now; the answer is looked().
  std::vector<HostPort> take_due(SteadyTime now);
  std::optional<SteadyTime> next_look() const;

  std::vector<tunnel::AppHealth> list() const;  ///< what cannot be reached first; at most kAppsMost
  bool all_reachable() const;

 private:
  struct App {
    HostPort at;
    bool reachable = true;
    bool looking = false;
    std::string reason = {};
    std::optional<SteadyTime> look_at = {};
    unsigned looks = 0;
    unsigned relapses = 0;  ///< how often it failed after a look had found it
    SteadyTime used = {};
  };
  App* find(const HostPort& at);
  App* find_or_add(const HostPort& at, SteadyTime now);
  static void recovered(App& app);
  static Duration wait(const App& app);

  std::vector<App> apps_;
};

}  // namespace postern::agent
