// SqliteEventLog::claim_due, claim_waiting, claim_heads and next_due: what waits, and who takes it.

#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "base/log.hpp"
#include "relay/store/head_look.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/rows.hpp"
#include "relay/store/sqlite/event_log.hpp"

namespace postern::relay {
namespace {

/// Of one look along the keys: it is made between the writer's other tasks, a few statements each.
constexpr std::size_t kKeysMost = 100;

struct Candidate {
  std::int64_t age;  // what is smaller goes first
  std::int64_t row;
  auto operator<=>(const Candidate&) const = default;
};

/// Jumps from one destination with pending deliveries to the next: one look-up each, however many wait.
std::vector<std::string> pending_destinations(sqlite::Connection& connection) {
  std::vector<std::string> found;
  std::string after;
  while (true) {
    const sqlite::Use next(
        connection.prepared("SELECT destination_id FROM delivery INDEXED BY delivery_pending WHERE state = 0 "
                            "AND destination_id > ?1 "
                            "ORDER BY destination_id LIMIT 1"));
    next->bind_blob(1, after);
    if (!next->step()) return found;
    after = std::string(next->blob(0));
    found.push_back(after);
  }
}

/// The oldest `limit` over all destinations but some. Each is read only as far as it is older than the worst
/// kept.
std::vector<Candidate> oldest_due(sqlite::Connection& connection, Time now, std::size_t limit,
                                  const std::unordered_set<std::string>& except) {
  std::priority_queue<Candidate> kept;
  for (const std::string& destination : pending_destinations(connection)) {
    if (except.contains(destination)) continue;
    const sqlite::Use due(
        connection.prepared("SELECT next_at, row FROM delivery INDEXED BY delivery_pending WHERE state = 0 "
                            "AND order_key = 0 AND destination_id = ?1 "
                            "AND next_at <= ?2 ORDER BY next_at, row"));
    due->bind_blob(1, destination);
    due->bind(2, to_micros(now));
    while (due->step()) {
      const Candidate candidate{due->integer(0), due->integer(1)};
      if (kept.size() == limit) {
        if (kept.empty() || candidate >= kept.top()) break;
        kept.pop();
      }
      kept.push(candidate);
    }
  }
  std::vector<Candidate> oldest;
  for (; !kept.empty(); kept.pop()) oldest.push_back(kept.top());
  std::ranges::reverse(oldest);
  return oldest;
}

/// Parked or due deliveries of one destination, in the order in which they were made. Of many that are due,
/// those due longest are taken.
std::vector<Candidate> oldest_waiting(sqlite::Connection& connection, DestinationId destination, Time now,
                                      std::size_t limit) {
  std::vector<Candidate> found;
  const auto collect = [&](std::string_view sql) {
    const sqlite::Use waiting(connection.prepared(sql));
    waiting->bind_blob(1, destination.bytes());
    waiting->bind(2, static_cast<std::int64_t>(limit));
    waiting->bind(3, to_micros(now));
    while (waiting->step()) found.push_back({waiting->integer(0), waiting->integer(0)});
  };
  collect(
      "SELECT row FROM delivery INDEXED BY delivery_parked WHERE state = 2 AND order_key = 0 AND "
      "destination_id = ?1 AND ?3 IS NOT NULL ORDER BY row LIMIT ?2");
  collect(
      "SELECT row FROM delivery INDEXED BY delivery_pending WHERE state = 0 AND order_key = 0 AND "
      "destination_id = ?1 AND next_at <= ?3 ORDER BY next_at, row LIMIT ?2");
  std::ranges::sort(found);
  if (found.size() > limit) found.resize(limit);
  return found;
}

/// A look along the order keys of a destination. One process, one writer: nobody else leases meanwhile.
class SqliteHeadLook {
 public:
  SqliteHeadLook(sqlite::Connection& connection, const EventLog::HeadsWanted& wanted)
      : connection_(connection), wanted_(wanted), look_(wanted.limit, kKeysMost) {}

  std::vector<Candidate> find() {
    OrderKey key = wanted_.after;
    while (look_.wants_more()) {
      const auto next = key_after(key);
      if (!next) return std::move(found_);
      key = *next;
      look_.looked(key, is_leased(key) ? 0 : take_run(key));
    }
    seen_to_ = look_.last();
    return std::move(found_);
  }
  OrderKey seen_to() const { return seen_to_; }
  std::optional<Time> again() const { return look_.again(); }
  std::size_t passed() const { return look_.passed(); }

 private:
  std::optional<OrderKey> key_after(OrderKey key) {
    const sqlite::Use next(connection_.prepared(
        "SELECT order_key FROM delivery INDEXED BY delivery_in_order WHERE destination_id = ?1 AND "
        "order_key > ?2 AND order_key <> 0 AND state <= 2 ORDER BY order_key LIMIT 1"));
    next->bind_blob(1, wanted_.destination.bytes());
    next->bind(2, key);
    return next->step() ? std::optional(next->integer(0)) : std::nullopt;
  }

  bool is_leased(OrderKey key) {
    const sqlite::Use leased(connection_.prepared(
        "SELECT 1 FROM delivery INDEXED BY delivery_leased WHERE state = 1 AND destination_id = ?1 AND "
        "order_key = ?2 LIMIT 1"));
    leased->bind_blob(1, wanted_.destination.bytes());
    leased->bind(2, key);
    return leased->step();
  }

  /// Its oldest ones, until one that is not due.
  std::size_t take_run(OrderKey key) {
    const sqlite::Use open(connection_.prepared(
        "SELECT row, state, next_at, tries FROM delivery INDEXED BY delivery_in_order WHERE destination_id = "
        "?1 AND order_key = ?2 AND order_key <> 0 AND state <= 2 ORDER BY id LIMIT ?3"));
    open->bind_blob(1, wanted_.destination.bytes());
    open->bind(2, key);
    const std::size_t most = std::min(wanted_.run, look_.room());
    open->bind(3, static_cast<std::int64_t>(most));
    std::size_t taken = 0;
    bool alone = false;
    while (!alone && open->step()) {
      const bool due = open->integer(1) == 2 || open->integer(2) <= to_micros(wanted_.now);
      if (!due && taken == 0) look_.may_be_free_at(rows::time_at(*open, 2));
      if (!due) break;
      alone = taken == 0 && open->integer(3) > 0;
      found_.push_back({static_cast<std::int64_t>(found_.size()), open->integer(0)});
      ++taken;
    }
    return taken;
  }

  sqlite::Connection& connection_;
  const EventLog::HeadsWanted& wanted_;
  HeadLook look_;
  OrderKey seen_to_ = kNoOrder;
  std::vector<Candidate> found_;
};

/// Takes the leases of what a search found, and reads what a destination needs to be tried.
class ClaimTask final : public WriteTask {
 public:
  using Search = std::function<std::vector<Candidate>(sqlite::Connection&)>;
  ClaimTask(const Clock& clock, std::size_t bytes_max, Search search, EventLog::Claimed done)
      : clock_(clock), bytes_max_(bytes_max), search_(std::move(search)), done_(std::move(done)) {}

  Kind kind() const override { return Kind::other; }
  std::size_t bytes() const override { return 1024; }

  void run(sqlite::Connection& connection) override {
    const Time now = clock_.now();
    std::size_t loaded = 0;
    for (const Candidate& candidate : search_(connection)) {
      if (loaded >= bytes_max_) break;
      lease(connection, candidate.row, now);
      loaded += load(connection, candidate.row);
    }
  }

  void settle(const Error* error) override {
    try {
      if (error)
        done_(std::unexpected(*error));
      else
        done_(std::move(claimed_));
    } catch (const std::exception& fault) {
      log::error("store.callback_failed", {{"error", fault.what()}});
    }
  }

 private:
  static void lease(sqlite::Connection& connection, std::int64_t row, Time now) {
    const sqlite::Use update(
        connection.prepared("UPDATE delivery SET state = 1, reason = '', lease = (lease + 1) & ?3, "
                            "updated_at = ?2 WHERE row = ?1"));
    update->bind(1, row);
    update->bind(2, to_micros(now));
    update->bind(3, LeaseToken::kLeaseMask);
    update->step();
  }

  /// The bytes that came into memory for it.
  std::size_t load(sqlite::Connection& connection, std::int64_t row) {
    static const std::string sql = fmt::format(
        "SELECT d.lease, d.tries, d.event_row, d.payload, d.payload_headers, d.crashes, d.order_key, "
        "d.answered, {} FROM "
        "delivery d "
        "JOIN event e "
        "ON e.row = d.event_row WHERE d.row = ?1",
        rows::kDeliveryColumns);
    const sqlite::Use read(connection.prepared(sql));
    read->bind(1, row);
    if (!read->step()) throw StoreFault(fmt::format("delivery row {} has no event", row));
    LeasedDelivery leased;
    leased.lease_token = LeaseToken{row, read->integer(0)}.pack();
    leased.tries = static_cast<unsigned>(read->integer(1));
    leased.payload = rows::payload_at(*read, 3);
    leased.crashes = static_cast<unsigned>(read->integer(5));
    leased.order_key = read->integer(6);
    leased.answered = static_cast<unsigned>(read->integer(7));
    leased.delivery = rows::delivery_at(*read, 8);
    auto& event = events_[read->integer(2)];
    std::size_t bytes = event ? 0 : load_event(connection, read->integer(2), event);
    if (leased.payload) bytes += leased.payload->body.size();
    leased.event = event;
    claimed_.push_back(std::move(leased));
    return bytes;
  }

  static std::size_t load_event(sqlite::Connection& connection, std::int64_t row,
                                std::shared_ptr<const Event>& event) {
    static const std::string sql =
        fmt::format("SELECT {} FROM event e WHERE e.row = ?1", rows::kEventColumns);
    const sqlite::Use read(connection.prepared(sql));
    read->bind(1, row);
    if (!read->step()) throw StoreFault(fmt::format("event row {} is not there", row));
    event = std::make_shared<const Event>(rows::event_at(*read, 0));
    return event->body.size() + 1024;
  }

  const Clock& clock_;
  const std::size_t bytes_max_;
  Search search_;
  EventLog::Claimed done_;
  std::unordered_map<std::int64_t, std::shared_ptr<const Event>> events_;
  std::vector<LeasedDelivery> claimed_;
};

class NextDueTask final : public WriteTask {
 public:
  using Done = std::function<void(Result<std::optional<Time>>)>;
  NextDueTask(Time now, Done done) : now_(now), done_(std::move(done)) {}

  Kind kind() const override { return Kind::other; }
  std::size_t bytes() const override { return 256; }

  void run(sqlite::Connection& connection) override {
    for (const std::string& destination : pending_destinations(connection)) {
      const sqlite::Use next(connection.prepared(
          "SELECT next_at FROM delivery INDEXED BY delivery_pending WHERE state = 0 AND order_key = 0 AND "
          "destination_id = ?1 AND next_at > ?2 ORDER BY next_at LIMIT 1"));
      next->bind_blob(1, destination);
      next->bind(2, to_micros(now_));
      if (!next->step()) continue;
      const Time found = rows::time_at(*next, 0);
      if (!earliest_ || found < *earliest_) earliest_ = found;
    }
  }

  void settle(const Error* error) override {
    try {
      if (error)
        done_(std::unexpected(*error));
      else
        done_(earliest_);
    } catch (const std::exception& fault) {
      log::error("store.callback_failed", {{"error", fault.what()}});
    }
  }

 private:
  const Time now_;
  Done done_;
  std::optional<Time> earliest_;
};

}  // namespace

void SqliteEventLog::claim_due(Time now, std::size_t limit, std::vector<DestinationId> except, Claimed done) {
  std::unordered_set<std::string> skip;
  for (const DestinationId& id : except) skip.emplace(id.bytes());
  auto search = [now, limit, skip = std::move(skip)](sqlite::Connection& connection) {
    return oldest_due(connection, now, limit, skip);
  };
  db_.writer().submit(
      std::make_unique<ClaimTask>(clock_, options_.claim_bytes_max, std::move(search), std::move(done)));
}

void SqliteEventLog::claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) {
  auto search = [destination, now, limit](sqlite::Connection& connection) {
    return oldest_waiting(connection, destination, now, limit);
  };
  db_.writer().submit(
      std::make_unique<ClaimTask>(clock_, options_.claim_bytes_max, std::move(search), std::move(done)));
}

void SqliteEventLog::claim_heads(HeadsWanted wanted, HeadsClaimed done) {
  auto heads = std::make_shared<Heads>();
  auto wished = std::make_shared<std::size_t>(0);
  auto search = [wanted, heads, wished](sqlite::Connection& connection) {
    SqliteHeadLook look(connection, wanted);
    auto found = look.find();
    heads->seen_to = look.seen_to();
    heads->again = look.again();
    heads->passed = look.passed();
    *wished = found.size();
    return found;
  };
  auto finish = [wanted, heads, wished, done = std::move(done)](Result<std::vector<LeasedDelivery>> claimed) {
    if (!claimed) return done(std::unexpected(claimed.error()));
    if (claimed->size() < *wished) heads->again = wanted.now;  // large bodies ended it early
    heads->leased = std::move(*claimed);
    done(std::move(*heads));
  };
  db_.writer().submit(
      std::make_unique<ClaimTask>(clock_, options_.claim_bytes_max, std::move(search), std::move(finish)));
}

void SqliteEventLog::next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) {
  db_.writer().submit(std::make_unique<NextDueTask>(now, std::move(done)));
}

}  // namespace postern::relay
