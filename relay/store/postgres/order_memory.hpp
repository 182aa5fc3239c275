#pragma once
#include <list>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "relay/model.hpp"
#include "relay/order_key.hpp"

namespace postern::relay {

/// A key, and an id that none of its open deliveries lies before.
struct OpenKey {
  OrderKey key = kNoOrder;
  DeliveryId from;
};

/// What a node remembers of the order keys of one destination, so that a claim along them need not walk past
/// what is over: while a snapshot is held anywhere on the server, the indexes keep an entry of all that ever
/// was in order, before what is open now.
///
/// It is never wrong, whatever other nodes do, because of two things. What is over never opens again: a retry
/// by hand of a dead delivery is another delivery, and one that waits, is leased or parked was open all
/// along. And what a transaction stores becomes visible all at once: it carries the number of its transaction
/// (born), so that the deliveries which the snapshot of the last look could not see yet are found by that
/// number, however old their ids are. A claim asks for those first, and again in the statement that locks.
///
/// Three kinds of look follow from it: a walk from key to key, which needs no memory and fills it once it has
/// come from the first key to the last; the news, which keep it up to date; a guided look at the keys that it
/// names, each from the id that it names. With too many keys open there is no memory, and every look is a
/// walk.
///
/// A walk in a while is made although there is a memory: somebody may have changed rows by hand. Such walks
/// take a hundredth of the time at most, and one that fails leaves the memory as it was.
///
/// Numbers of transactions are one server's: it goes with the connection. Pure; one thread.
class OrderMemory {
 public:
  static constexpr std::size_t kKeysMost = 10'000;
  static constexpr std::size_t kNewsMost = 10'000;  ///< deliveries; with more of them it is walked again

  /// The server's text of the last snapshot that has been looked at; nullopt: there is no memory.
  std::optional<std::string_view> seen() const;
  /// All that is open and that `now` shows and seen() did not; more than kNewsMost are too many.
  void news(const std::vector<OpenKey>& stored, std::string now);

  /// How the look that goes on after `after` is made. After news().
  enum class Look { walk, guided };
  Look begin(OrderKey after, SteadyTime now);

  /// Of a guided look: up to `most` keys behind `after`, and what became of each.
  std::vector<OpenKey> behind(OrderKey after, std::size_t most) const;
  void found(const OpenKey& open);
  void over(OrderKey key);

  /// Of a walk: the keys it came by, in their order, what it took, and whether there are more.
  void walked(const std::vector<OpenKey>& open, bool to_the_end);
  void walk_took(Duration time);

  /// Those of a walk that goes on later included.
  std::size_t keys() const { return (known_ ? known_->keys.size() : 0) + (walk_ ? walk_->keys.size() : 0); }

 private:
  struct Known {
    std::map<OrderKey, DeliveryId> keys;
    std::string seen;               ///< the first snapshot of the walk, then that of the last news
    OrderKey walked_to = kNoOrder;  ///< of a walk that is under way
  };
  void add_to_known(const std::map<OrderKey, DeliveryId>& walked);

  static constexpr Duration kWalkEvery = std::chrono::seconds(60);
  static constexpr int kWalkShare = 100;

  std::string now_;  ///< the snapshot of this look
  std::optional<Known> known_;
  std::optional<Known> walk_;     ///< goes on with a later look
  std::optional<Known> walking_;  ///< in this look: gone with it when it fails
  SteadyTime walk_at_;
};

/// The memories of a node's destinations. Those used least recently go when there are too many, or too many
/// keys in them: what is forgotten costs a walk. One thread.
class OrderMemories {
 public:
  struct Bounds {
    std::size_t destinations = 1'000;
    std::size_t keys = 200'000;
  };
  OrderMemories() = default;
  explicit OrderMemories(Bounds bounds) : bounds_(bounds) {}

  /// Valid until the next call. With another connection than last time all is forgotten.
  OrderMemory& of(DestinationId destination, std::uint64_t connection);
  std::size_t size() const { return recent_.size(); }

 private:
  using Entry = std::pair<DestinationId, OrderMemory>;
  void make_room();

  const Bounds bounds_{};
  std::uint64_t connection_ = 0;
  std::list<Entry> recent_;  ///< the last one used first
  std::unordered_map<DestinationId, std::list<Entry>::iterator> at_;
};

}  // namespace postern::relay
