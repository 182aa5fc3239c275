#pragma once
#include <prometheus/registry.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <list>
#include <map>
#include <set>
#include <thread>

#include "relay/delivery/dispatcher.hpp"
#include "relay/store/catalog.hpp"
#include "relay/tunnel/agent_directory.hpp"
#include "tests/unit/delivery/fake_event_log.hpp"
#include "tests/unit/delivery/queue_fixtures.hpp"

namespace postern::relay {

class FakeDirectory final : public AgentDirectory {
 public:
  bool present(AgentId agent) const override;
  boost::asio::awaitable<AgentAnswer> deliver(AgentId agent, AgentRequest request) override;
  void acknowledge(AgentId, DeliveryId, unsigned) override {}
  void on_presence(std::function<void(AgentId, bool)> listener) override { listener_ = std::move(listener); }
  void disconnect(AgentId, std::string_view) override {}
  std::optional<unsigned> app_places(AgentId agent, std::string_view host, std::uint16_t port) const override;
  void on_app_health(std::function<void(AgentId)> listener) override { health_ = std::move(listener); }

  /// Without an event: as the directory knows before the news has spread.
  void set_quietly(AgentId agent, bool present);
  void set(AgentId agent, bool present);
  /// Of every agent; quietly.
  void set_places(const std::string& host, std::uint16_t port, std::optional<unsigned> places);
  void tell_health(AgentId agent) { health_(agent); }
  std::size_t asked() const { return asked_; }  ///< how often for the places of an app

 private:
  mutable std::mutex mutex_;
  std::set<AgentId> present_;
  std::function<void(AgentId, bool)> listener_;
  std::map<std::pair<std::string, std::uint16_t>, std::optional<unsigned>> places_;
  std::function<void(AgentId)> health_;
  mutable std::atomic<std::size_t> asked_{0};
};

/// What the scripted destination does with one attempt.
struct Plan {
  AttemptResult result;
  bool hold = false;  ///< only answers after release()
  bool throws = false;
  Duration takes{};
};
Plan answers(int status);
Plan not_sent(std::string code, bool wait_for_agent = false);

/// A driver that does as it is told and keeps watch: no delivery is ever in two attempts at once.
class ScriptedDriver final : public DestinationDriver {
 public:
  explicit ScriptedDriver(Board& board) : board_(board) {}
  boost::asio::awaitable<AttemptResult> attempt(AttemptJob job) override;
  void release();  ///< lets every held attempt answer

  std::function<Plan(const AttemptJob&)> script;               ///< under the board's lock
  std::function<void(const AttemptJob&, const Plan&)> at_end;  ///< the same; the plan is the script's
  // Under the board's lock.
  std::map<DestinationId, std::vector<DeliveryId>> started;
  std::map<DestinationId, unsigned> in_flight;
  std::map<DestinationId, unsigned> most_in_flight;
  std::set<DeliveryId> active;
  std::size_t attempts = 0;
  std::string broken;

 private:
  struct Held {
    boost::asio::steady_timer timer;
    boost::asio::any_io_executor executor;
  };
  Plan begin(const AttemptJob& job);
  void end(const AttemptJob& job, const Plan& plan);

  Board& board_;
  std::vector<std::weak_ptr<Held>> held_;
  bool released_ = false;
};

/// A dispatcher on two loops with fakes around it.
class DispatcherRig {
 public:
  explicit DispatcherRig(DispatcherOptions options = quick(), BreakerBoard* breakers = nullptr,
                         Limiter* rates = nullptr);
  ~DispatcherRig();
  /// A short sweep, so that a manual clock's steps are noticed at once.
  static DispatcherOptions quick();

  Destination& destination(std::uint64_t n);  ///< its draft; publish() makes it known
  void remove(std::uint64_t n) { drafts_.erase(n); }
  void publish();
  void start();
  /// Under the key that the destination's draft asks for: `key` with Ordering::key.
  DeliveryId append(std::uint64_t destination, OrderKey key = kNoOrder);
  Dispatcher::Drained drain(Duration limit);

  template <class Predicate>
  bool eventually(Predicate holds) {
    return board.eventually(holds);
  }
  bool all_ended();
  QueueMode mode(std::uint64_t n) { return dispatcher->status(nth<DestinationId>(n))->mode; }
  /// For states of the dispatcher itself, which notifies nobody.
  template <class Predicate>
  bool becomes(Predicate holds) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::yield();
    }
    return true;
  }

  Board board;
  ManualClock clock;
  SeededRandom random{11};
  prometheus::Registry metrics;
  Shedding shedding{metrics};
  CatalogHolder catalog;
  FakeDirectory agents;
  ScriptedDriver driver{board};
  std::vector<std::pair<DestinationId, std::string>> disabled;  ///< under the board's lock
  std::unique_ptr<boost::asio::io_context> loops[2];
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<FakeEventLog> log;

 private:
  using Guard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
  std::map<std::uint64_t, std::shared_ptr<Destination>> drafts_;
  std::vector<Guard> guards_;
  std::vector<std::thread> threads_;
  std::uint64_t last_id_ = 0;
};

}  // namespace postern::relay
