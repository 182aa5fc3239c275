#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "agent/call_book.hpp"
#include "tests/simulation/connection.hpp"
#include "tests/simulation/disk.hpp"

namespace postern::simulation {

/// One delivery as the agent's process has it: IncomingDelivery, without coroutines.
class AgentStream {
 public:
  AgentStream(std::weak_ptr<Connection> connection, tunnel::StreamId id, tunnel::DeliverHead head)
      : connection_(std::move(connection)), id_(id), head_(std::move(head)) {}
  const tunnel::DeliverHead& head() const { return head_; }
  bool cancelled() const { return over_; }
  void broken() { over_ = true; }
  void respond(const tunnel::ResultHead& head, std::string body);
  /// True once the whole request is here.
  bool read(SteadyTime now);

 private:
  std::weak_ptr<Connection> connection_;
  const tunnel::StreamId id_;
  const tunnel::DeliverHead head_;
  std::uint64_t read_ = 0;
  bool whole_ = false;
  bool over_ = false;
};

/// The agent's process, from its start to its death: session, calls and journal as in the program; the app
/// and the disk are simulated.
class AgentProcess : public std::enable_shared_from_this<AgentProcess> {
 public:
  AgentProcess(Scheduler& scheduler, Machine& machine, SimulatedDisk& disk, Witness& witness,
               const tunnel::SessionLimits& limits);

  void connected(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Link>& link);
  bool has_session() const { return connection_ && !connection_->ended(); }
  void die() { dead_ = true; }

 private:
  using Calls = agent::CallBook<AgentStream>;
  void on_event(const tunnel::SessionEvent& event);
  void on_opened(const tunnel::SessionEvent& event);
  void read_on(const Calls::CallPtr& call, SteadyTime until);
  void call_app(const Calls::CallPtr& call, SteadyTime until);
  void app_answered(const Calls::CallPtr& call, int status);
  void app_timed_out(const Calls::CallPtr& call);
  void tell(const Calls::CallPtr& call, tunnel::ResultHead head, const std::string& body);
  void later(Duration wait, std::function<void()> what);

  Scheduler& scheduler_;
  Machine& machine_;
  Witness& witness_;
  std::unique_ptr<agent::ResultKeeper> results_;
  Calls calls_;
  std::shared_ptr<Connection> connection_;
  std::map<tunnel::StreamId, std::shared_ptr<AgentStream>> streams_;  // of this session
  bool dead_ = false;
};

}  // namespace postern::simulation
