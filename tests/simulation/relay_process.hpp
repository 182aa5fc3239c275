#pragma once
#include <map>
#include <memory>
#include <string>

#include "relay/delivery/retry_policy.hpp"
#include "relay/tunnel/agent_answer.hpp"
#include "tests/simulation/connection.hpp"

namespace postern::simulation {

/// What the relay's store holds of one delivery. It outlives the process.
struct Row {
  DeliveryId id;
  relay::DeliveryState state = relay::DeliveryState::pending;
  unsigned attempt_count = 0, tries = 0, answered = 0;
  std::uint64_t lease = 0;
  SteadyTime next_at;
  std::string reason;
  std::size_t body_size = 0;
};

struct SimulatedStore {
  std::map<DeliveryId, Row> rows;
  bool all_over() const;
};

/// The relay's process: leases, attempts, verdicts and commits, with the program's own rules for what an
/// answer means (agent_answer, attempt_record, retry_policy); a session with one agent.
class RelayProcess : public std::enable_shared_from_this<RelayProcess> {
 public:
  RelayProcess(Scheduler& scheduler, Machine& machine, SimulatedStore& store, Witness& witness);
  void start();  ///< what an earlier process had leased is pending again

  void connected(const std::shared_ptr<Connection>& connection, const std::shared_ptr<Link>& link);
  void die();

 private:
  struct Attempt {
    DeliveryId id;
    std::uint64_t lease = 0;
    unsigned number = 0;
    std::optional<tunnel::ResultHead> head;
    std::string body;
  };
  using Attempts = std::map<tunnel::StreamId, Attempt>;

  void look();
  bool begin(Row& row);
  void deadline(const std::shared_ptr<Connection>& connection, tunnel::StreamId stream);
  void on_event(const tunnel::SessionEvent& event);
  void on_readable(tunnel::StreamId stream);
  void on_broken(const tunnel::SessionEvent& event);
  void ended(tunnel::StreamId stream, tunnel::ResultOutcome outcome, std::string code);
  void conclude(const Attempt& attempt, tunnel::DeliveryAnswer answer);
  void commit(const Attempt& attempt, const relay::AttemptResult& result, bool kept);
  void park_all();
  void later(Duration wait, std::function<void()> what);

  Scheduler& scheduler_;
  Machine& machine_;
  SimulatedStore& store_;
  Witness& witness_;
  relay::Destination destination_;
  std::shared_ptr<Connection> connection_;
  Attempts attempts_;
  bool dead_ = false;
};

}  // namespace postern::simulation
