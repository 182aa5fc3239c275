#pragma once
#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/id.hpp"

/// How many attempts may be under way at one app, when its agent says so (SPEC.md, section 9). All
/// destinations that lead to one app share its places. Pure; one thread.
namespace postern::relay {

class DestinationQueue;

struct AppAddress {
  AgentId agent;
  std::string host;  ///< of http::canonical_host()
  std::uint16_t port = 0;
  auto operator<=>(const AppAddress&) const = default;
};

/// Where a queue stands in the line for a place at its app.
enum class AppTurn {
  none,     ///< it does not wait for one
  waiting,  ///< in the line, and in no other until it is called
  called,   ///< a place is kept for it, until it takes it or cannot use it
};

/// A queue that has something to start and finds no place joins the line. Each place that becomes free is
/// kept for the front of it; who comes meanwhile joins behind. Where nothing bounds the app there is no line,
/// and a delivery costs one count up and down.
///
/// An app that has no room although there should be some, as attempts of other nodes hold it, is told so by
/// refused(): it is given no more than it has for kLeastPause, twice as long each time that the first one
/// after it meets the same, up to kMostPause.
struct AppPlaces {
  static constexpr Duration kLeastPause = std::chrono::milliseconds(100);
  static constexpr Duration kMostPause = std::chrono::seconds(1);

  AppAddress at;
  std::optional<unsigned> most = {};  ///< nullopt: any number
  bool away = false;                  ///< its agent says that it cannot be reached
  unsigned taken = 0;
  unsigned called = 0;
  std::size_t destinations = 0;                ///< that lead here
  std::deque<DestinationQueue*> waiting = {};  ///< the line
  bool stirred = false;                        ///< listed by the dispatcher: there may be places to give
  std::uint64_t asked = 0;                     ///< the look at what its agent says that has reached it
  bool news = false;                           ///< and whether that has changed anything
  std::optional<unsigned> held_to = {};        ///< while it pauses; less than `most`
  Duration pause = {};

  unsigned limit() const {
    if (!most) return std::numeric_limits<unsigned>::max();
    return std::min(*most, held_to.value_or(*most));
  }
  /// Places that are free and kept for nobody.
  unsigned room() const { return limit() > taken + called ? limit() - taken - called : 0; }
  /// Nobody but those that were called goes before the line.
  bool has_room(AppTurn turn) const {
    if (!most) return true;
    if (turn == AppTurn::called) return taken < limit();
    return waiting.empty() && room() > 0;
  }
  /// After the attempt has left. For how long it pauses now; nullopt when it does so already, or is not
  /// bounded.
  std::optional<Duration> refused() {
    if (!most) return std::nullopt;
    const bool pauses = held_to.has_value();
    held_to = std::min(held_to.value_or(taken), taken);
    if (pauses) return std::nullopt;
    pause = std::clamp(2 * pause, kLeastPause, kMostPause);
    return pause;
  }
  void resume() { held_to.reset(); }
  /// An attempt has got in there.
  void got_in() {
    if (!held_to) pause = {};
  }
};

/// All apps that any destination leads to, or any attempt is under way at.
class AppTable {
 public:
  using Places = std::shared_ptr<AppPlaces>;

  Places join(const AppAddress& at) {
    Places& places = apps_[at];
    if (!places) places = std::make_shared<AppPlaces>(AppPlaces{.at = at});
    ++places->destinations;
    return places;
  }
  void leave(AppPlaces& places) {
    --places.destinations;
    forget_if_idle(places);
  }
  /// Attempts that it has there keep their places until they end, also for a destination that comes later.
  void forget_if_idle(const AppPlaces& places) {
    if (places.destinations == 0 && places.taken == 0) apps_.erase(AppAddress(places.at));
  }
  std::size_t size() const { return apps_.size(); }

 private:
  std::map<AppAddress, Places> apps_;
};

}  // namespace postern::relay
