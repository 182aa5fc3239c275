#pragma once
#include <map>
#include <memory>
#include <vector>

#include "tests/simulation/connection.hpp"
#include "tunnel-proto/relay_connection.hpp"

namespace postern::simulation {

/// The relay's end of a simulated connection, as RelayEnd is of a real one: deliveries to streams, and what
/// comes of them to their callers.
class SimulatedRelayConnection final : public tunnel::RelayConnection,
                                       public std::enable_shared_from_this<SimulatedRelayConnection> {
 public:
  struct Events {
    std::function<void()> credit;
    std::function<void()> closed;
  };
  SimulatedRelayConnection(Machine& machine, std::shared_ptr<Connection> connection)
      : machine_(machine), connection_(std::move(connection)) {}
  void open(const std::shared_ptr<Link>& link, Events events);
  void drop();  ///< its process is gone

  std::uint32_t credit() const override { return connection_->session().credit(); }
  Result<tunnel::StreamId> deliver(const tunnel::DeliverHead& head, std::shared_ptr<const std::string> body,
                                   AnswerHandler done) override;
  void acknowledge(const tunnel::ResultAck& ack) override;
  void ask_rotation() override {}
  void cancel(tunnel::StreamId stream) override;
  void announce(const tunnel::GoAway&) override {}
  void go_away(const tunnel::GoAway& goaway) override;
  void close(std::string_view code, std::string_view message) override;
  tunnel::ConnectionStats stats() const override { return {}; }

 private:
  struct Pending {
    AnswerHandler done;
    std::optional<tunnel::ResultHead> head;
    std::string body;
  };
  void wake();
  void turn();
  void on_event(const tunnel::SessionEvent& event);
  void on_readable(tunnel::StreamId stream);
  void on_broken(const tunnel::SessionEvent& event);
  void complete(tunnel::StreamId stream, tunnel::DeliveryAnswer answer);

  Machine& machine_;
  std::shared_ptr<Connection> connection_;
  Events events_;
  std::map<tunnel::StreamId, Pending> pending_;
  std::vector<std::pair<AnswerHandler, tunnel::DeliveryAnswer>> cancelled_;  // told in the next turn
  bool woken_ = false;
};

}  // namespace postern::simulation
