#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/id.hpp"
#include "base/random.hpp"
#include "relay/tunnel/agent_directory.hpp"
#include "relay/tunnel/session_choice.hpp"

namespace postern::relay {

class HubSession;

/// Which sessions deliver for an agent, and which connections there are. Safe from any thread; a lock is held
/// for one look-up at a time and never across a call that waits.
///
/// A session of an agent is *seated* from its login to its end, and *live* while deliveries may go to it.
class SessionRegistry {
 public:
  using Ptr = std::shared_ptr<HubSession>;

  void add_connection(const Ptr& session);
  void remove_connection(const Ptr& session);

  /// Seats `session`, not live; those that waited in the same seat to become live, and are the agent's no
  /// more.
  std::vector<Ptr> take(AgentId agent, const Ptr& session, const SessionSeat& seat, bool replicas,
                        std::uint64_t generation);
  /// The newest generation that take() has seen of this agent; 0 for none. The catalog may be behind.
  std::uint64_t generation(AgentId agent) const;
  struct Change {
    bool news = false;  ///< about the agent: its first live session, or its last
    std::vector<Ptr> older;
  };
  /// `why` it is not live. One that becomes live takes the place of others, which are the agent's no more and
  /// are returned: of those in its own seat; without replicas, of all of another instance; with them, of the
  /// oldest instance when there are too many.
  Change set_live(AgentId agent, const Ptr& session, bool live, std::string why = {});
  /// Ends `session`'s time; true when it was the agent's last live one. One that has lost its seat changes
  /// nothing: the end of an old session never takes away a new one.
  bool drop(AgentId agent, const Ptr& session);

  /// Which session is wanted.
  struct Wish {
    std::optional<Uuid> instance;  ///< of this one, if it has any
    Ptr except;
    std::vector<Uuid> none_of;  ///< instances
  };
  /// A live one, by the power of two choices. Null: none.
  Ptr pick(AgentId agent, Random& random, const Wish& wish) const;
  bool live(AgentId agent) const;
  /// All that are seated.
  std::vector<Ptr> of(AgentId agent) const;
  /// One of each instance, live or not.
  std::vector<Ptr> of_each_instance(AgentId agent) const;
  AgentStanding standing(AgentId agent) const;

  std::vector<Ptr> connections() const;
  std::size_t connection_count() const;
  std::size_t session_count() const;  ///< live ones

 private:
  struct Seated {
    Ptr session;
    SessionSeat seat;
    bool replicas = false;
    bool live = false;
    std::string why;
  };
  using Sessions = std::vector<Seated>;  ///< in the order of their logins

  Seated* find(AgentId agent, const Ptr& session);
  const Sessions* find(AgentId agent) const;
  static bool any_live(const Sessions& sessions);
  template <class Goes>
  std::vector<Ptr> evict(Sessions& sessions, Goes goes);
  static std::optional<Uuid> surplus(const Sessions& sessions, const SessionSeat& seat);

  mutable std::mutex mutex_;
  std::unordered_map<AgentId, Sessions> agents_;
  std::unordered_set<Ptr> connections_;
  std::unordered_map<AgentId, std::uint64_t> generations_;  // as many as there are agents
  std::size_t live_ = 0;
};

}  // namespace postern::relay
