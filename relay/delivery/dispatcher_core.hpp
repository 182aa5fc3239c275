#pragma once
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "relay/delivery/app_places.hpp"
#include "relay/delivery/attempt_health.hpp"
#include "relay/delivery/delivery_metrics.hpp"
#include "relay/delivery/dispatcher.hpp"
#include "relay/delivery/fair_ring.hpp"
#include "relay/delivery/retry_policy.hpp"
#include "relay/delivery/suspects.hpp"
#include "relay/limits/local_limiter.hpp"
#include "relay/store/catalog.hpp"

namespace postern::relay {

/// The actor behind Dispatcher. Everything private here runs on its loop only; what other threads bring is
/// posted by enter(). Work is done in turns: whatever has arrived changes the queues, then one turn() starts
/// attempts, hands outcomes to the store and asks for more, each in one group.
///
/// The bodies are in core_*.cpp, one idea each: turn, claims, outcomes, places (catalog and presence), pace
/// (breaker, rate, retry budget), apps (places at those of agents), order, share (what nodes know of each
/// other's breakers), drain.
class DispatcherCore : public std::enable_shared_from_this<DispatcherCore> {
 public:
  explicit DispatcherCore(DispatcherParts parts);
  void listen();  ///< once, after construction

  // From any thread.
  AdmissionDesk& desk() { return desk_; }
  const AdmissionDesk& desk() const { return desk_; }
  boost::asio::any_io_executor executor() const { return parts_.executor; }
  void start(EventLog& log);
  void hand_over(std::vector<LeasedDelivery> deliveries);
  void wake();
  void wake(std::vector<DestinationId> destinations);  ///< from another node
  void kick(std::vector<DestinationId> destinations);
  void leases_lost();
  bool forgetting() const { return losses_to_come_ > 0; }
  void reset_breaker(DestinationId id);

  /// On the actor's loop.
  static boost::asio::awaitable<Dispatcher::Drained> drain(std::shared_ptr<DispatcherCore> self,
                                                           Duration limit);

 private:
  using Queue = DestinationQueue;
  enum class Origin { handed_over, claimed };
  /// Not by address: the same run is to be the same run.
  struct AlarmOrder {
    bool operator()(const std::pair<SteadyTime, Queue*>& a, const std::pair<SteadyTime, Queue*>& b) const {
      return a.first != b.first ? a.first < b.first : a.second->id() < b.second->id();
    }
  };

  /// Suspects that were counted as tried, before they are.
  struct Marked {
    std::vector<Launch> company;
    std::uint64_t losses;             ///< when that was asked for
    std::vector<std::uint64_t> held;  ///< lease tokens of those that were still leased
  };

  /// Outcomes on their way to the store, with what they free once they are durable.
  struct Recording {
    /// What is sent again when the store's queue was full: the verdicts, with the attempts stripped of
    /// headers and bodies. Keeping all of it would cost every delivery a copy for the sake of a rare
    /// overload.
    std::vector<Completion> bare;
    std::vector<LeaseEnd> ends;
    struct Note {
      Queue* queue;  ///< null when its destination is unknown
      bool returned;
      bool freed;  ///< an order key: the store may give the next ones of it
    };
    std::vector<Note> notes;
    std::vector<std::function<void()>> committed;  ///< of AttemptResult
    std::size_t answer_bytes = 0;
  };

  // core_turn.cpp
  template <class F>
  void enter(const char* task, F work);
  template <class F>
  void guarded(const char* task, F work);
  void begin(EventLog& log);
  void schedule_turn();
  void turn();
  void start_attempts();
  bool is_sure_of_leases() const { return log_ == nullptr || log_->holds_leases(); }
  Launch launch(Queue& queue);
  void touch(Queue& queue);
  void arm_sweep();
  void sweep();
  void report_depths();

  // core_claims.cpp
  void on_handed_over(std::vector<LeasedDelivery> deliveries);
  void on_wake();
  void on_woken(const std::vector<DestinationId>& destinations);
  void on_leases_lost();
  void take_in(LeasedDelivery delivery, Origin origin, std::uint64_t losses);

  // core_suspects.cpp
  void try_suspects();
  void on_marked(Marked it);
  void go_on_with_marked();
  void start_or_put_back(Marked it);
  void put_back(const Launch& launch);
  void accept(LeasedDelivery delivery, Origin origin);
  void ask_backlog();
  void on_backlog(Result<std::vector<EventLog::Backlog>> backlog);
  void place_after_backlog(Queue& queue, const EventLog::Backlog* backlog);
  void pump_claims();
  bool start_claim(Queue& queue);
  void on_claimed(Queue& queue, std::size_t granted, std::uint64_t mark, std::uint64_t epoch,
                  std::uint64_t losses, Result<std::vector<LeasedDelivery>> claimed);
  std::size_t charge_claim(Queue& queue, std::size_t granted, const std::vector<LeasedDelivery>& claimed);
  Origin claim_origin(std::uint64_t stops) const;
  void pump_due();
  void on_due(std::size_t granted, std::uint64_t stops, std::uint64_t losses,
              Result<std::vector<LeasedDelivery>> claimed);
  void ask_next_due();
  void arm_due(Time at);
  void learn_size(std::size_t bytes, std::size_t count);

  // core_outcomes.cpp
  void on_finished(std::vector<Finished> finished);
  void conclude(Finished finished);
  Verdict verdict_for(Queue& queue, const Ticket& ticket, const AttemptResult& result);
  void agent_was_away(Queue& queue, const Ticket& ticket);
  void app_was_away(Queue& queue);
  void disable_gone(Queue& queue, const Ticket& ticket);
  void park(const LeasedDelivery& delivery, Queue& queue);
  void withdraw(const LeasedDelivery& delivery, Queue* queue, DeliveryState next, std::string_view reason);
  void record(Completion completion, DestinationId destination, std::size_t bytes, Queue* queue,
              OrderKey key);
  void flush_records();
  void submit(std::vector<Completion> completions, std::shared_ptr<Recording> recording);
  void resubmit();
  void on_recorded(const std::shared_ptr<Recording>& recording, const Result<std::size_t>& fenced_in);
  void tell_committed(const Recording& recording);
  void log_outcome(const Ticket& ticket, const Verdict& verdict, const Attempt& attempt) const;

  // core_places.cpp
  Queue* find(DestinationId id);
  void sync_catalog();
  void add_place(const std::shared_ptr<const Destination>& destination);
  void reconfigure(Queue& queue, const std::shared_ptr<const Destination>& destination);
  void retire(Queue& queue);
  void forget_if_idle(Queue& queue);
  void on_presence(AgentId agent);
  void hear_health(AgentId agent);
  void on_app_health();
  void look_at_apps(AgentId agent);
  void try_again(Queue& queue);
  void refresh(Queue& queue);
  std::optional<QueueMode> stopped_by(const Queue& queue) const;
  void stop(Queue& queue, QueueMode mode);
  void resume(Queue& queue);
  void drain_behind(Queue& queue);

  // core_apps.cpp
  void join_app(Queue& queue);
  void leave_app(Queue& queue);
  bool ask_app(AppPlaces& app);
  bool ask_again(const Queue& queue);
  void ask_apps(std::span<Queue* const> queues);
  void stir(const std::shared_ptr<AppPlaces>& app);
  bool call_waiting();
  void take_place(Launch& launch);
  void leave_place(const Ticket& ticket);
  bool refused_by_app(const Ticket& ticket, const AttemptResult& result);
  void end_pauses(SteadyTime now);

  // core_pace.cpp
  bool may_launch(Queue& queue);
  bool holds_back(const Queue& queue, SteadyTime now);
  Limiter& rates();
  bool within_rate(Queue& queue);
  void undo_start(Queue& queue, const Ticket& ticket);
  void postpone(Queue& queue, Duration wait, std::string_view reason);
  void judge_breaker(Queue& queue, const Ticket& ticket, Health health);
  void judge_part(Queue& queue, const AttemptResult& result);
  void breaker_moved(Queue& queue);
  void follow_breaker(Queue& queue);
  QueueMode admission_mode(const Queue& queue) const;
  void watch(Queue& queue);
  void unwatch(Queue& queue);
  void arm_alarm();
  void ring_alarms();
  void wake_up(Queue& queue);

  // core_order.cpp
  void ask_for_heads(const std::vector<DestinationId>& destinations);
  bool start_head_claim(Queue& queue);
  void on_heads(Queue& queue, std::size_t granted, std::uint64_t losses, Result<EventLog::Heads> heads);
  void leave_line(Queue& queue, OrderKey key, bool ended);
  void leave_to_others(const Recording& recording);

  // core_share.cpp
  void tell_breaker(Queue& queue, bool by_reset = false);
  void take_over_breaker(Queue& queue);
  void weigh(Queue& queue, const BreakerSnapshot& heard, bool moved);
  void on_breaker_heard(DestinationId id);

  // core_drain.cpp
  void begin_drain();
  bool quiet() const;

  DispatcherParts parts_;
  AdmissionDesk desk_;
  DeliveryMetrics metrics_;
  std::atomic<bool> wake_posted_{false};
  std::mutex health_mutex_;
  std::set<AgentId> health_of_;  ///< agents that have said anything since; on_app_health() is on its way

  EventLog* log_ = nullptr;
  std::shared_ptr<const Catalog> catalog_;
  std::unordered_map<DestinationId, std::unique_ptr<Queue>> queues_;
  std::unordered_map<AgentId, std::vector<Queue*>> by_agent_;
  AppTable apps_;
  std::uint64_t look_ = 0;                                        ///< at what agents say of their apps
  std::vector<std::shared_ptr<AppPlaces>> stirred_;               ///< those that may have places to give
  std::multimap<SteadyTime, std::shared_ptr<AppPlaces>> pauses_;  ///< when those that pause go on
  FairRing ring_;
  Gcra trickle_;           ///< of retries, while they are held back
  LocalLimiter trickles_;  ///< and of each workspace's
  LocalLimiter own_rates_;
  std::vector<std::shared_ptr<AttemptLoop>> loops_;
  Suspects suspects_;
  std::vector<Marked> marked_;  ///< not started, as it is not sure that this node holds its leases
  std::vector<std::vector<Launch>> launches_;  ///< by loop, gathered in this turn
  std::size_t next_loop_ = 0;
  bool turn_scheduled_ = false;

  std::deque<Queue*> claim_ring_;
  std::size_t claims_ = 0;
  bool told_garbled_ = false;                   ///< of a blob that says nothing: once
  std::uint64_t losses_ = 0;                    ///< how often its leases were lost; the desk's term
  std::atomic<unsigned> losses_to_come_{0};     ///< those that were told of and are on their way here
  std::uint64_t stops_ = 0;                     ///< how often any queue was stopped
  std::unordered_set<DestinationId> excluded_;  ///< from claims over all destinations
  bool due_claiming_ = false;
  bool due_again_ = false;
  std::optional<Time> due_at_;
  boost::asio::steady_timer due_timer_;
  std::size_t bytes_each_ = 256 * 1024;  ///< a guess at the memory of the next delivery claimed
  std::set<std::pair<SteadyTime, Queue*>, AlarmOrder> alarms_;  ///< at most one for each queue
  std::optional<SteadyTime> alarm_armed_;
  boost::asio::steady_timer alarm_timer_;
  bool backlog_known_ = false;
  bool backlog_asked_ = false;
  SteadyTime backlog_asked_at_{};

  std::vector<Completion> completions_;
  std::shared_ptr<Recording> recording_ = std::make_shared<Recording>();
  std::vector<std::shared_ptr<Recording>> stalled_;
  std::size_t recordings_ = 0;
  std::size_t unrecorded_bytes_ = 0;  ///< of answers that are not durable yet
  bool failed_ = false;               ///< the store acknowledges nothing any more

  boost::asio::steady_timer sweep_timer_;
  boost::asio::steady_timer drain_timer_;
  bool draining_ = false;
};

template <class F>
void DispatcherCore::enter(const char* task, F work) {
  boost::asio::post(parts_.executor, [weak = weak_from_this(), task, work = std::move(work)]() mutable {
    if (auto self = weak.lock()) self->guarded(task, [&] { work(*self); });
  });
}

}  // namespace postern::relay
