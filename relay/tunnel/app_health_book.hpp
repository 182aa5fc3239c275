#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/id.hpp"
#include "relay/tunnel/session_choice.hpp"
#include "relay/tunnel/told_apps.hpp"

namespace postern::relay {

/// What the agents of this node's sessions say of their apps. The newest word is the whole of what can be
/// reached; a word that an app is away holds for kHolds, and agents repeat it sooner, so one that was lost,
/// or an agent that went silent on it, holds nothing up for long. How much an app takes holds for the session
/// that says it, until its next word or its end. Any thread; a look-up takes a few hash look-ups, whatever
/// agents say.
class AppHealthBook {
 public:
  static constexpr Duration kHolds = std::chrono::seconds(30);

  explicit AppHealthBook(const Clock& clock) : clock_(clock) {}

  /// Which session says it, and whether it is live: only those that are delivered to have places.
  struct Teller {
    SessionSeat seat;
    const void* session = nullptr;
    bool live = true;
  };
  /// True when it differs from what was known.
  bool told(AgentId agent, const Teller& teller, std::vector<tunnel::AppHealth> apps);
  /// It has become live, or is so no more. True when that may change places().
  bool set_live(AgentId agent, const Teller& teller);
  /// The session has ended, and how much apps take by it with it; with the last one of a process goes what
  /// that said of what can be reached. True when that may change places(), or leaves less away().
  bool left(AgentId agent, const Teller& teller);
  /// A new session: what an earlier one said of what can be reached counts no more. Bounds are those of
  /// sessions, and leave with them.
  void forget(AgentId agent);

  /// Why the app cannot be reached; nullopt when nothing is known against it.
  std::optional<std::string> away(AgentId agent, std::string_view host, std::uint16_t port) const;
  /// How many deliveries may be under way at the app by the live sessions of this node: of what each of the
  /// agent's processes gives it, the part of those sessions, rounded up. nullopt: any number, as none bounds
  /// it, or one of several does not. A process that has said nothing does not count.
  std::optional<unsigned> places(AgentId agent, std::string_view host, std::uint16_t port) const;
  std::vector<tunnel::AppHealth> apps(AgentId agent) const;

 private:
  using Told = std::shared_ptr<const ToldApps>;
  struct Entry {
    Teller teller;
    Told told;
    SteadyTime at;
  };
  struct Word {
    Told last;  ///< by any session; null: none that counts
    SteadyTime at;
    Uuid by{};                   ///< the process that said it
    std::vector<Entry> entries;  ///< of each session that has spoken
  };
  static Entry* find(Word& word, const Teller& teller);
  static bool has_seat(const Word& word, const SessionSeat& seat);
  static bool matters(const Word& word, const Entry& entry);
  bool says_away(const Word& word) const;
  bool process_left(Word& word, const Uuid& instance) const;

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::unordered_map<AgentId, Word> words_;  // of agents that have said anything since they came
};

}  // namespace postern::relay
