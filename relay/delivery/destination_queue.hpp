#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "relay/delivery/app_places.hpp"
#include "relay/delivery/breaker.hpp"
#include "relay/delivery/head_search.hpp"
#include "relay/delivery/order_lines.hpp"
#include "relay/delivery/own_view.hpp"
#include "relay/delivery/part_breakers.hpp"
#include "relay/delivery/queue_mode.hpp"
#include "relay/delivery/retry_budget.hpp"
#include "relay/delivery/slow_start.hpp"
#include "relay/limits/breaker_board.hpp"
#include "relay/limits/gcra.hpp"
#include "relay/model.hpp"
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// The deliveries of one destination that this node holds the lease of, and the rules of when the next may
/// start and when more must be fetched from the store. Pure: no I/O, no clock, no lock; one thread.
///
/// Order. Deliveries start oldest first. What is handed over in memory is newer than anything waiting in the
/// store, so while the store may still hold older ones, hand-over is refused (draining). When a claim comes
/// back short the store is empty and hand-over opens, but a delivery may have been committed behind that
/// claim's back in between. Then the queue settles: what is handed over is held until one more claim, made
/// after the opening, has come back short too.
///
/// Pace. While the breaker is half-open as many may start as it has probes left. A destination over its rate,
/// which its dispatcher keeps, is told so by pace_until() and starts nothing before; tick() tells it that
/// time has passed. A retry beyond the budget goes back to the store for a while (charge_budget, set_aside).
///
/// Deliveries with an order key are none of that. They are never handed over: claims along the keys bring
/// them (wants_heads), and the store gives the next ones of a key only when it is nobody's. Of each key one
/// at a time is ready or under way; when it goes back to the store, so do those behind it.
class DestinationQueue {
 public:
  explicit DestinationQueue(std::shared_ptr<const Destination> destination);

  const DestinationId& id() const { return destination_->id; }
  const std::shared_ptr<const Destination>& destination() const { return destination_; }
  void configure(std::shared_ptr<const Destination> destination);
  const std::shared_ptr<QueueGauges>& gauges() const { return gauges_; }

  QueueMode mode() const { return mode_; }
  /// Grows each time the queue stops or resumes: tells the results of attempts begun before from those after.
  std::uint64_t epoch() const { return epoch_; }

  /// A mode that is not running: nothing starts. The caller parks what give_up() returns.
  void stop(QueueMode mode);
  /// Back from a stop, or after a restart: drains, from a slow start. It settles, too: a hand-over
  /// admitted before it stopped may arrive now.
  void resume();
  /// Older deliveries wait in the store; the pace stays as it is.
  void drain();

  /// Newer than anything in the store, or not known to be older: held while settling.
  void handed_over(LeasedDelivery delivery);
  /// From the store. One that is newer than those held joins them.
  void claimed(LeasedDelivery delivery);
  /// From a claim along the order keys.
  void claimed_in_order(LeasedDelivery delivery);
  bool runnable() const;
  /// It is runnable but for a place at its app: joins the line for one.
  void await_place();
  /// What it was called for is of no use to it: the place is the next one's.
  void uncall();
  LeasedDelivery take();                  ///< the oldest; counts as in flight until finished()
  void finished(bool healthy);            ///< healthy: it answered, and not that it is overloaded or broken
  void did_not_begin();                   ///< the same for one whose part is down: it says nothing
  std::vector<LeasedDelivery> give_up();  ///< all that has not started, oldest first
  std::size_t next_bytes() const;         ///< what the next to take() holds of memory

  /// The next is a retry that could as well be made later: no probe, and nothing waits behind it in order.
  bool next_may_wait() const;
  /// When one that is put off should come back: spread out over its destination's others.
  Duration come_back(SteadyTime now) { return budget_.come_back(now); }
  /// Before take(). Nullopt: the next may start, and its part of the retry budget is settled. Otherwise it is
  /// a retry that may not: set_aside() and give it back for that long.
  std::optional<Duration> charge_budget(SteadyTime now);
  /// What the next has to do with the budget. undo_charge() when it was taken and then did not begin.
  BudgetShare next_share() const;
  void undo_charge(BudgetShare share);
  /// When one whose part is down should come back, beyond the time of the part itself: a line of its own, so
  /// that those of a dead part put off no other's retries.
  Duration come_back_to_part(SteadyTime now) { return part_line_.next(now); }
  LeasedDelivery set_aside();  ///< the next, without starting it

  Breaker& breaker() { return breaker_; }
  const Breaker& breaker() const { return breaker_; }
  void publish_breaker(Time now);
  const std::shared_ptr<PartBreakers>& parts() const { return gauges_->parts; }  ///< null: it has none
  void give_parts(std::shared_ptr<PartBreakers> parts) { gauges_->parts = std::move(parts); }

  /// Of its app, with which it shares them; null: it has none.
  const std::shared_ptr<AppPlaces>& app() const { return app_; }
  void give_app(std::shared_ptr<AppPlaces> app) { app_ = std::move(app); }
  AppTurn app_turn() const { return app_turn_; }
  void take_app_place();  ///< by the next attempt
  void call();            ///< by the dispatcher, as the front of the line, which it leaves
  void leave_app_line();

  /// All of its deliveries are in one order.
  bool in_strict_order() const { return destination_->ordering == Ordering::destination; }
  bool holds(OrderKey key) const { return lines_.holds(key); }
  void ended_in_order(OrderKey key);                           ///< one of it, for good: the next may start
  std::vector<LeasedDelivery> give_back_behind(OrderKey key);  ///< one of it went back to the store
  /// Whether it has ever been in order or had a delivery that was: others need no claims along their keys.
  bool knows_order() const { return knows_order_ || destination_->ordering != Ordering::none; }
  void has_order() { knows_order_ = true; }
  HeadSearch& heads() { return heads_; }
  bool holds_in_order() const { return lines_.unstarted() > 0; }  ///< some that have not started
  bool wants_heads(std::size_t batch) const;
  std::size_t heads_size(std::size_t batch) const;  ///< how many to ask for
  std::size_t run_length(std::size_t size) const;   ///< and of one key

  RateLimit rate() const { return {destination_->rate_per_second, destination_->rate_burst}; }
  void pace_until(SteadyTime at) { paced_until_ = at; }
  /// Over its rate until then; nullopt when it is not, or has nothing to start.
  std::optional<SteadyTime> paced_until() const { return ready_.empty() ? std::nullopt : paced_until_; }
  void tick(SteadyTime now);
  /// When the breaker lets the first probe through, if only that holds it up, or a look along the keys may
  /// find something.
  std::optional<Time> wakes_at() const;

  /// Fetch more? Not while deliveries given back are still on their way to the store: the claim could miss
  /// them.
  bool wants_claim(std::size_t batch) const;
  std::size_t claim_size(std::size_t batch) const;  ///< how many to ask for
  void claim_started() {
    claiming_ = true;
    claim_missed_some_ = false;
  }
  void claim_failed() { claiming_ = false; }
  /// `newest` of those it brought; nullopt for none. True: the store holds nothing older, so hand-over may be
  /// opened: call opened().
  bool claim_ended(bool came_back_short, std::optional<DeliveryId> newest);
  /// `settling`: some were committed behind the claim that came back short.
  void opened(bool settling);
  bool holding() const { return !held_.empty(); }

  /// One goes back to the store, to be claimed again; gave_back() when that is durable.
  void giving_back() {
    ++returning_;
    claim_missed_some_ = true;
  }
  void gave_back() { --returning_; }

  std::size_t waiting() const { return ready_.size() + held_.size() + lines_.waiting(); }
  unsigned in_flight() const { return in_flight_; }
  unsigned window() const { return in_strict_order() ? 1 : slow_start_.window(destination_->concurrency); }
  /// Nothing refers to it: it may be forgotten.
  bool idle() const {
    return waiting() == 0 && in_flight_ == 0 && returning_ == 0 && unrecorded_ == 0 && !claiming_ &&
           !heads_.claiming();
  }
  void recording() { ++unrecorded_; }
  void recorded() { --unrecorded_; }

  // Owned by the dispatcher: membership of its lists, so that nothing is listed twice.
  bool in_ring = false;
  int credit = 0;  ///< of turns, in the ring
  bool in_claim_ring = false;
  bool excluded = false;
  bool retired = false;                ///< its destination has been deleted
  bool cold = true;                    ///< whether the store holds older ones is not known yet
  std::optional<SteadyTime> alarm_at;  ///< its place among the alarms
  OwnView own_view;                    ///< of its breaker
  SharedBreakerState told;             ///< of its breaker: what was last said to other nodes, or by them
  /// Switched off by an answer before the catalog knew: the configuration that was in force then.
  std::optional<Time> gone_at_version;

 private:
  void hold(LeasedDelivery delivery);
  void release_held();
  void settle_pace();
  bool startable() const;
  bool has_place() const;
  void publish();

  std::shared_ptr<const Destination> destination_;
  std::shared_ptr<AppPlaces> app_;
  AppTurn app_turn_ = AppTurn::none;
  std::shared_ptr<QueueGauges> gauges_ = std::make_shared<QueueGauges>();
  SlowStart slow_start_;
  Breaker breaker_;
  RetryBudget budget_;
  ReturnLine part_line_;
  std::optional<SteadyTime> paced_until_;
  OrderLines lines_;
  HeadSearch heads_;
  bool knows_order_ = false;
  QueueMode mode_ = QueueMode::draining;
  std::deque<LeasedDelivery> ready_;
  std::vector<LeasedDelivery> held_;
  DeliveryId oldest_held_;
  std::uint64_t epoch_ = 0;
  unsigned in_flight_ = 0;
  std::size_t returning_ = 0;
  std::size_t unrecorded_ = 0;
  bool settling_ = false;
  bool claiming_ = false;
  bool claim_missed_some_ = false;  ///< some went back to the store after the claim was asked for
};

}  // namespace postern::relay
