#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <memory>

#include "base/clock.hpp"
#include "relay/tunnel/agent_answer.hpp"
#include "relay/tunnel/session_choice.hpp"
#include "tunnel-proto/connection.hpp"

namespace postern::relay {

/// The deliveries of one session: those that wait for the agent's credit, first come first served, and those
/// on the wire. Each ends exactly once, at the latest at its deadline. Lives on the session's loop.
class SessionDeliveries : public std::enable_shared_from_this<SessionDeliveries> {
 public:
  using Done = std::function<void(AgentAnswer)>;

  SessionDeliveries(boost::asio::any_io_executor executor, const Clock& clock, std::size_t waiting_limit)
      : executor_(std::move(executor)), clock_(clock), waiting_limit_(waiting_limit) {}

  /// `answered` is called at each answer that the agent gave.
  void open(std::shared_ptr<tunnel::RelayConnection> connection, bool journal,
            std::function<void()> answered) {
    connection_ = std::move(connection);
    journal_ = journal;
    answered_ = std::move(answered);
    measure();
  }
  void add(AgentDeliveryPtr delivery, SteadyTime until, Done done);
  void credit_available() { pump(); }
  /// How many the agent takes at once, those on the wire included, as it was last told. From any thread.
  std::uint32_t capacity() const { return capacity_.load(); }
  /// The agent is leaving: what waits goes back as agent_away; what is on the wire may finish.
  void leave();
  /// The connection has ended and has answered for all that was on the wire.
  void end();

 private:
  struct Item {
    AgentDeliveryPtr delivery;
    SteadyTime until;
    Done done;
    boost::asio::steady_timer timer;
    std::optional<tunnel::StreamId> stream;
  };
  using ItemPtr = std::shared_ptr<Item>;

  void pump();
  void measure();
  bool start(const ItemPtr& item);
  void on_deadline(const ItemPtr& item);
  void finish(const ItemPtr& item, AgentAnswer answer);

  boost::asio::any_io_executor executor_;
  const Clock& clock_;
  const std::size_t waiting_limit_;
  std::shared_ptr<tunnel::RelayConnection> connection_;
  std::function<void()> answered_;
  std::size_t on_wire_ = 0;
  std::atomic<std::uint32_t> capacity_{0};
  bool leaving_ = false;
  bool journal_ = false;
  std::deque<ItemPtr> waiting_;
};

}  // namespace postern::relay
