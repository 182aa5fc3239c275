#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "relay/model.hpp"
#include "relay/order_key.hpp"
#include "relay/store/store_stats.hpp"

/// The hot path of the store: events in, deliveries leased, attempts recorded. Each engine writes these
/// statements itself; everything else goes through the repositories.
namespace postern::relay {

/// A delivery this process holds the lease of.
struct LeasedDelivery {
  Delivery delivery;
  std::shared_ptr<const Event> event;  ///< shared by the deliveries of one event
  std::uint64_t lease_token = 0;       ///< fences: a completion with an older token changes nothing
  unsigned tries = 0;     ///< attempts made so far, counted or not; the next one's number is tries + 1
  unsigned answered = 0;  ///< the last of them that was answered with a status; 0: none
  unsigned crashes = 0;   ///< above 0: a suspect, see EventLog::mark_started
  std::shared_ptr<const Payload> payload = {};  ///< sent in place of the event's body; null: the event's own
  OrderKey order_key = kNoOrder;
  std::uint64_t term = 0;  ///< handed over: its Admission's
};

/// What becomes of a delivery at the moment it is committed.
struct Admission {
  DeliveryState state =
      DeliveryState::pending;  ///< leased, pending or parked; of a `decided` one dead or cancelled
  std::string reason;          ///< for parked: "agent_away", …
  Duration wait{};             ///< for pending: not due before this long after the commit
  std::uint64_t term = 0;      ///< for leased: the intake's own; goes back to it with the hand-over
};

struct NewDelivery {
  DeliveryId id;
  DestinationId destination_id;
  std::shared_ptr<const Payload> payload = {};  ///< stored with it; null: the event's own bytes are sent
  std::optional<Admission> decided = {};        ///< its route has settled it: the intake is not asked
  OrderKey order_key = kNoOrder;  ///< with one, it must not be admitted as leased: see claim_heads()
};

/// The dispatcher, as the store sees it. Called on the store's writer threads, of which there may be several
/// at once: answer from memory, never block.
class DeliveryIntake {
 public:
  virtual ~DeliveryIntake() = default;
  /// Asked once per delivery while its group is written. Answering `leased` reserves room for it.
  virtual Admission admit(const NewDelivery& delivery, const Event& event) = 0;
  /// One that was admitted as leased was not committed after all: its room is free again.
  virtual void not_committed(const NewDelivery&, const Event&) {}
  /// Once per group, after the commit is durable: all deliveries that were admitted as leased.
  virtual void handed_over(std::vector<LeasedDelivery> deliveries) = 0;
  /// Once per group that committed deliveries not leased, so that none waits for a sweep.
  virtual void wake() = 0;
  /// Another node has committed deliveries of these destinations that it cannot make, or cannot make now. Any
  /// thread.
  virtual void wake(std::vector<DestinationId>) {}
  /// This node was away for so long that others have taken over all it had leased. What has not started is to
  /// be forgotten; what is under way will find its lease gone. What is admitted from now on is leased under
  /// this node's new number. Any thread; must not block.
  virtual void leases_lost() {}
  /// Whether a loss it was told of is still on its way to where attempts start: nothing may start until then,
  /// see holds_leases(). Any thread.
  virtual bool forgetting() const { return false; }
};

struct NewEvent {
  std::shared_ptr<const Event> event;  ///< its dedupe_key is claimed in the same transaction
  std::vector<NewDelivery> deliveries;
  Duration dedupe_window{};
};
struct Appended {
  EventId event_id;        ///< the first event's, for a duplicate
  bool duplicate = false;  ///< the hit has been counted on the first event
};

/// What an attempt led to.
struct Completion {
  DeliveryId delivery_id;
  std::uint64_t lease_token = 0;
  std::optional<Attempt> attempt;  ///< absent when the lease is only given back
  DeliveryState next = DeliveryState::pending;
  Time next_at;  ///< for pending
  std::string reason;
};

/// All calls are safe from any thread and never block. Errors: `store_busy` (queue full: answer 503),
/// `store_failed` (never durable, see Database).
class EventLog {
 public:
  virtual ~EventLog() = default;

  /// The dispatcher. Before serving; until then deliveries are committed as pending. It outlives this object.
  virtual void attach(DeliveryIntake&) {}

  using AppendDone = std::function<void(Result<Appended>)>;
  /// `done` is posted to `reply_on` once the event is durable; the store posts once per group and loop.
  virtual void append(NewEvent event, boost::asio::any_io_executor reply_on, AppendDone done) = 0;

  /// Records completions, grouped with whatever else waits. `done` (may be empty) runs on the writer thread
  /// after the commit with how many were still fenced in; the others had lost their lease and changed
  /// nothing.
  virtual void complete(std::vector<Completion> completions,
                        std::function<void(Result<std::size_t>)> done) = 0;

  /// A process that died in the middle of a delivery may have died of it. What was leased then is a suspect
  /// when it is claimed again: before its next attempt begins, the attempt is counted here, durably, so that
  /// one that kills every process that tries it is found. With kCrashesMost counted it becomes dead,
  /// "worker_crashed"; an attempt that is over, however it ended, sets the count back. `done` gets the tokens
  /// that still held their lease.
  static constexpr unsigned kCrashesMost = 5;
  struct Started {
    DeliveryId delivery_id;
    std::uint64_t lease_token = 0;
  };
  virtual void mark_started(std::vector<Started> started,
                            std::function<void(Result<std::vector<std::uint64_t>>)> done) {
    std::vector<std::uint64_t> all;  // of a log that lives no longer than its process
    all.reserve(started.size());
    for (const Started& it : started) all.push_back(it.lease_token);
    done(std::move(all));
  }

  using Claimed = std::function<void(Result<std::vector<LeasedDelivery>>)>;
  /// A claim may end early when bodies are large, but never before it has brought 16 MiB of them.
  ///
  /// Leases up to `limit` pending deliveries due at `now`, oldest first, of any destination not in `except`.
  virtual void claim_due(Time now, std::size_t limit, std::vector<DestinationId> except, Claimed done) = 0;
  /// Leases up to `limit` parked or due deliveries of one destination, oldest first. What is leased keeps its
  /// next_at. Neither of these two brings what has an order key.
  virtual void claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) = 0;

  /// A look along the order keys of a destination, from the first one behind `after`. Of each key of which
  /// nothing is leased, by whatever node, and whose oldest open delivery is parked or due at `now`, that one
  /// is leased, with up to `run` in all that follow it without a gap: the caller makes them one by one, and
  /// gives the rest back when one does not end for good. One that was tried before comes alone: most of what
  /// came with it would go back.
  struct HeadsWanted {
    DestinationId destination;
    Time now;
    OrderKey after = kNoOrder;
    std::size_t limit = 0;  ///< deliveries
    std::size_t run = 1;    ///< of one key
  };
  struct Heads {
    std::vector<LeasedDelivery> leased;  ///< those of one key in their order
    /// The look ended with this key, for want of room or because it had looked at many: the next one goes on
    /// from there. kNoOrder: it has come to the end.
    OrderKey seen_to = kNoOrder;
    /// When another look may find what this one passed over; nullopt: only once something has changed that
    /// this process does itself or is told of.
    std::optional<Time> again = {};
    /// Another node is looking along them right now: nothing was looked at, and the same look is to be made
    /// at `again`.
    bool busy = false;
    std::size_t passed = 0;  ///< keys of which nothing was taken: each costs a little
  };
  using HeadsClaimed = std::function<void(Result<Heads>)>;
  virtual void claim_heads(HeadsWanted wanted, HeadsClaimed done) = 0;
  /// The earliest next_at of a pending delivery in no order that lies after `now`; nullopt when there is
  /// none.
  virtual void next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) = 0;
  /// Which destinations have pending (due or not) or parked deliveries. The numbers are above 0 where there
  /// are some; an engine need not count them. Those in order are counted, too.
  struct Backlog {
    DestinationId destination_id;
    std::uint64_t pending = 0;
    std::uint64_t parked = 0;
    bool in_order = false;  ///< some with an order key are open, leased ones included
  };
  virtual void backlog(std::function<void(Result<std::vector<Backlog>>)> done) = 0;

  /// Makes everything that was leased by an earlier process pending again, due now. Once, before serving;
  /// returns how many there were.
  virtual Result<std::size_t> recover() = 0;

  /// Gives back everything this process has leased, and forgets that it was tried: at the end of a polite
  /// stop, for attempts that did not end in time. No crash, so no suspicion. Blocks; not on a loop.
  virtual void give_back_leases() {}

  /// Whether what this process has leased is still its own. False when it could not say for too long that it
  /// is alive: no attempt may start then, others may be making it. Nor while the intake is still to forget
  /// what it had.
  virtual bool holds_leases() const { return true; }
  /// The number this process has as one of several nodes; 0: it stands alone. Another one when its leases
  /// were lost.
  virtual int node() const { return 0; }
  /// Tells the other nodes that something of these destinations may be due. Losing it costs time only.
  virtual void announce(std::vector<DestinationId>) {}
  /// A way to the other nodes that is faster than the store's own, which is used whenever this one returns
  /// false. Before serving. It must not block; what it carries may get lost, and is handed to heard_wake()
  /// of the others.
  using WakeCarrier = std::function<bool(std::string_view payload)>;
  virtual void carry_wakes(WakeCarrier) {}
  /// From any thread, also after stop(). Whatever it is: what makes no sense is passed over.
  virtual void heard_wake(std::string_view /*payload*/) {}
  /// Calls `listener`, on a thread of the log, when the configuration may have been changed by another node.
  virtual void on_catalog_change(std::function<void()>) {}
  /// Finishes what is queued, gives leases back where others could go on, and ends the threads. Idempotent.
  virtual void stop() {}
  virtual EventLogStats stats() const { return {}; }
  virtual StorePressure pressure() const { return {}; }
};

/// append() as a coroutine, resumed on the caller's executor.
boost::asio::awaitable<Result<Appended>> append(EventLog& log, NewEvent event);

}  // namespace postern::relay
