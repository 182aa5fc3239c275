#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "relay/store/database.hpp"

namespace postern::relay {

/// All references outlive the book and whatever it has under way.
struct SessionBookParts {
  boost::asio::any_io_executor loop;
  Database& database;
  const Clock& clock;
  /// The generation of the session that this node holds of the agent; nullopt without one. Any thread.
  std::function<std::optional<std::uint64_t>(AgentId)> session;
  std::function<int()> node;  ///< this node's number: EventLog::node(). Any thread
};

/// Writes down which agents hold a session with this node, for all nodes to read (AgentSessionRepository).
///
/// Each change is written at once, in groups, one group at a time. What is written is what holds then, not
/// what the event said: events of an old and a new session come from different loops. What the store does not
/// take is written again a second later, and when this node has become a new one, all of it.
class SessionBook : public std::enable_shared_from_this<SessionBook> {
 public:
  static constexpr std::size_t kAtOnce = 256;
  static constexpr Duration kLookEvery = std::chrono::seconds(1);

  explicit SessionBook(SessionBookParts parts) : parts_(std::move(parts)), timer_(parts_.loop) {}
  void start();
  void stop();                  ///< nothing is written after this. On the loop
  void changed(AgentId agent);  ///< it came or went. Any thread

 private:
  struct Entry {
    AgentId agent;
    std::optional<std::uint64_t> generation;
    Time since;
  };
  void note(AgentId agent);
  void look();
  void arm();
  void write_some();
  std::vector<Entry> take_some();
  void written(const std::vector<Entry>& entries, const Result<void>& done);

  SessionBookParts parts_;
  boost::asio::steady_timer timer_;
  std::unordered_map<AgentId, Time> here_;  ///< since when
  std::set<AgentId> unwritten_;
  int written_as_ = 0;
  bool writing_ = false;
  bool stopped_ = false;
};

}  // namespace postern::relay
