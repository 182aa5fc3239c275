#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/id.hpp"

/// How many attempts may be under way at one app, when its agent says so (SPEC.md, section 9). All
/// destinations that lead to one app share its places. Pure; one thread.
namespace postern::relay {

class DestinationQueue;

struct AppAddress {
  AgentId agent;
  std::string host;  ///< in lower case; a unix socket as it is
  std::uint16_t port = 0;
  auto operator<=>(const AppAddress&) const = default;
};

struct AppPlaces {
  AppAddress at;
  std::optional<unsigned> most;  ///< nullopt: any number
  unsigned taken = 0;
  std::vector<DestinationQueue*> queues;  ///< whose turn it is next in front

  bool has_room() const { return !most || taken < *most; }
  /// One of this queue's begins: the others come before its next one.
  void take(DestinationQueue& queue) {
    ++taken;
    const auto found = std::ranges::find(queues, &queue);
    if (found != queues.end()) std::rotate(found, found + 1, queues.end());
  }
};

/// All apps that any destination leads to.
class AppTable {
 public:
  using Places = std::shared_ptr<AppPlaces>;

  Places join(const AppAddress& at, DestinationQueue& queue) {
    Places& places = apps_[at];
    if (!places) places = std::make_shared<AppPlaces>(AppPlaces{at, {}, 0, {}});
    if (std::ranges::find(places->queues, &queue) == places->queues.end()) places->queues.push_back(&queue);
    return places;
  }
  /// Attempts that it has there keep their places until they end.
  void leave(const Places& places, DestinationQueue& queue) {
    std::erase(places->queues, &queue);
    if (places->queues.empty()) apps_.erase(places->at);
  }
  std::size_t size() const { return apps_.size(); }

 private:
  std::map<AppAddress, Places> apps_;
};

}  // namespace postern::relay
