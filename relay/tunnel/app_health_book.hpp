#pragma once
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "relay/tunnel/session_choice.hpp"
#include "tunnel-proto/app_health.hpp"

namespace postern::relay {

/// What the agents of this node's sessions say of their apps. The newest word is the whole of it; a word that
/// an app is away holds for kHolds, and agents repeat it sooner, so one that was lost, or an agent that went
/// silent on it, holds nothing up for long. Any thread.
class AppHealthBook {
 public:
  static constexpr Duration kHolds = std::chrono::seconds(30);

  explicit AppHealthBook(const Clock& clock) : clock_(clock) {}

  /// Which session says it. A newer one of the same seat speaks in its place.
  struct Teller {
    SessionSeat seat;
    const void* session = nullptr;
  };
  /// True when it differs from what was known.
  bool told(AgentId agent, const Teller& teller, std::vector<tunnel::AppHealth> apps);
  /// The session has ended, and how much apps take by it with it. True when it had said anything of that.
  bool left(AgentId agent, const Teller& teller);
  /// A new session: what an earlier one said of what can be reached counts no more. Bounds are those of
  /// sessions, and leave with them.
  void forget(AgentId agent);

  /// Why the app cannot be reached; nullopt when nothing is known against it.
  std::optional<std::string> away(AgentId agent, std::string_view host, std::uint16_t port) const;
  /// How many deliveries may be under way at the app by the sessions of this node: of what each of the
  /// agent's processes gives it, the part of those sessions, rounded up. nullopt: any number.
  std::optional<unsigned> places(AgentId agent, std::string_view host, std::uint16_t port) const;
  std::vector<tunnel::AppHealth> apps(AgentId agent) const;

 private:
  struct Bounds {
    Teller teller;
    std::vector<tunnel::AppHealth> apps;  ///< those that are bounded
  };
  struct Word {
    std::vector<tunnel::AppHealth> apps;
    SteadyTime at;
    std::vector<Bounds> bounds;  ///< of each seat
  };
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::unordered_map<AgentId, Word> words_;  // of agents that have said anything since they came
};

}  // namespace postern::relay
