// PostgresEventLog::claim_heads: who makes the next one of each order key, over all nodes.
//
// The rule: of one destination and key at most one node holds leases, and what it holds are the oldest ones
// there are. A snapshot alone cannot keep it. One claim may see H as the oldest and lease it while another,
// whose snapshot is newer, sees an older G that was committed in between, and leases that; each locks rows
// the other does not touch. So everything that leases in order does so under a lock of the destination
// (pg_try_advisory_xact_lock), held until its commit, and each statement under it has a snapshot of its own
// (READ COMMITTED): it sees every lease that was taken under the lock before. Leases end without the lock
// (completions, burials), which can only free a key a moment later.
//
// A row that is locked by somebody else (a retry by hand, a cancellation) is passed over by SKIP LOCKED, but
// not what it means: rows are numbered before they are locked, and of each key only those are taken that
// follow the oldest without a gap.
//
// An older delivery that commits after a younger one was leased waits for it: nothing of a key is leased
// while another one is.
//
// Where a key's open deliveries begin is remembered (order_memory.hpp). What the snapshot of the news did not
// show is looked for once more in the statement that locks, which so sees all that is stored before it.
#include <algorithm>
#include <map>

#include "relay/store/head_look.hpp"
#include "relay/store/postgres/event_log.hpp"
#include "relay/store/postgres/head_statements.hpp"
#include "relay/store/postgres/lock_numbers.hpp"

namespace postern::relay {
namespace {

using pg::Array;
using pg::Params;
using pg::Type;

/// Another node is claiming for this destination right now, or somebody holds a row.
constexpr Duration kBusy = std::chrono::milliseconds(10);
/// Another node has some of a key under way: it goes on with that key itself, unless it dies.
constexpr Duration kElsewhere = std::chrono::seconds(2);

constexpr std::int64_t kKeysMost = 2'000;

/// Some of the id's random bytes.
std::int64_t lock_number(DestinationId id) {
  std::uint32_t number = 0;
  for (std::size_t i = 12; i < 16; ++i) number = number << 8 | static_cast<std::uint8_t>(id.bytes()[i]);
  return static_cast<std::int32_t>(number);
}

DeliveryId id_in(const pg::Rows& rows, std::size_t row, int column) {
  return *DeliveryId::from_bytes(rows.bytes(row, column));
}

/// One look; its result beside what is leased.
class Look {
 public:
  Look(const EventLog::HeadsWanted& wanted, int node, const Clock& clock)
      : wanted_(wanted), node_(node), clock_(clock), look_(wanted.limit, kKeysMost) {}

  pg::Found find(pg::Connection& connection, OrderMemory& memory) {
    if (!lock(connection, memory)) {
      busy_ = true;
      look_.may_be_free_at(wanted_.now + kBusy);
      return {};
    }
    if (memory.begin(wanted_.after, clock_.steady()) == OrderMemory::Look::walk)
      walk(connection, memory);
    else
      look_guided(connection, memory);
    picked_ = keys_.size();
    return picked_ == 0 ? pg::Found{} : take_runs(connection);
  }

  EventLog::Heads heads(std::vector<LeasedDelivery> leased) const {
    return {std::move(leased), seen_to_, look_.again(), busy_, look_.passed()};
  }

 private:
  /// In one round trip with the news, which cost little where there are none.
  bool lock(pg::Connection& connection, OrderMemory& memory) {
    const Params lock = std::move(Params().add(pg::kHeadsLock).add(lock_number(wanted_.destination)));
    Params since;
    since.add_bytes(wanted_.destination.bytes());
    if (const auto seen = memory.seen())
      since.add_text(*seen);
    else
      since.add_null();
    since.add(static_cast<std::int64_t>(OrderMemory::kNewsMost) + 1);
    const pg::Statement statements[] = {{"BEGIN"}, {pg::kLockHeads, &lock}, {pg::kNewsOfHeads, &since}};
    const auto answers = connection.pipeline(statements);
    read_news(answers[2], memory);
    return answers[1].integer(0, 0) != 0;
  }

  void read_news(const pg::Rows& rows, OrderMemory& memory) {
    std::vector<OpenKey> stored;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!rows.is_null(i, 0)) snapshot_ = rows.bytes(i, 0);
      if (!rows.is_null(i, 1)) stored.push_back({rows.integer(i, 1), id_in(rows, i, 2)});
    }
    memory.news(stored, snapshot_);
  }

  void walk(pg::Connection& connection, OrderMemory& memory) {
    Params params;
    params.add_bytes(wanted_.destination.bytes()).add(wanted_.after).add(to_micros(wanted_.now));
    params.add(static_cast<std::int64_t>(wanted_.limit)).add(kKeysMost);
    const WalkTime time(memory, clock_);
    const pg::Rows rows = connection.run(pg::kWalkHeads, params);
    std::vector<OpenKey> open;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      open.push_back({rows.integer(i, 0), id_in(rows, i, 4)});
      read_key(rows, i);
    }
    if (!look_.wants_more()) seen_to_ = look_.last();
    memory.walked(open, look_.wants_more());
  }

  void look_guided(pg::Connection& connection, OrderMemory& memory) {
    const auto known = memory.behind(wanted_.after, kKeysMost);
    if (known.empty()) return;
    Array keys(Type::int8), from(Type::uuid);
    for (const OpenKey& it : known) {
      keys.add(it.key);
      from.add(it.from.bytes());
    }
    Params params;
    params.add_bytes(wanted_.destination.bytes()).add(std::move(keys)).add(std::move(from));
    params.add(to_micros(wanted_.now)).add(static_cast<std::int64_t>(wanted_.limit));
    const pg::Rows rows = connection.run(pg::kGuidedHeads, params);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (rows.is_null(i, 4)) {
        memory.over(rows.integer(i, 0));
        continue;
      }
      memory.found({rows.integer(i, 0), id_in(rows, i, 4)});
      read_key(rows, i);
    }
    if (rows.size() == 0) return;  // no room
    const OrderKey last = known.at(rows.size() - 1).key;
    if (!memory.behind(last, 1).empty()) seen_to_ = last;
  }

  void read_key(const pg::Rows& rows, std::size_t i) {
    const std::int64_t claimable = rows.integer(i, 1);
    if (claimable == 1) {
      keys_.add(rows.integer(i, 0));
      runs_.add(rows.integer(i, 3) > 0 ? 1 : static_cast<std::int64_t>(wanted_.run));
      heads_.add(rows.bytes(i, 4));
    } else if (claimable == 0) {
      look_.may_be_free_at(from_micros(rows.integer(i, 2)));
    } else if (-claimable != node_) {
      look_.may_be_free_at(wanted_.now + kElsewhere);
    }
    look_.looked(rows.integer(i, 0), claimable == 1 ? 1 : 0);
  }

  pg::Found take_runs(pg::Connection& connection) {
    Params params;
    params.add_bytes(wanted_.destination.bytes()).add(std::move(keys_)).add(std::move(runs_));
    params.add(std::move(heads_)).add_text(snapshot_).add(to_micros(wanted_.now));
    params.add(static_cast<std::int64_t>(wanted_.limit));
    const pg::Rows rows = connection.run(pg::kRunsOfHeads, params);
    pg::Found found;
    std::map<OrderKey, std::int64_t> taken;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::int64_t& before = taken[rows.integer(i, 3)];
      if (rows.integer(i, 4) != before + 1) continue;  // behind a gap
      if (!found.add(rows.integer(i, 0), rows.integer(i, 1), rows.integer(i, 2))) break;
      ++before;
    }
    const auto got = std::ranges::count_if(taken, [](const auto& entry) { return entry.second > 0; });
    if (static_cast<std::size_t>(got) < picked_) look_.may_be_free_at(wanted_.now + kBusy);
    return found;
  }

  /// What a walk takes is told even if it fails.
  struct WalkTime {
    WalkTime(OrderMemory& memory, const Clock& clock) : memory(memory), clock(clock), began(clock.steady()) {}
    ~WalkTime() { memory.walk_took(std::chrono::duration_cast<Duration>(clock.steady() - began)); }
    WalkTime(const WalkTime&) = delete;
    WalkTime& operator=(const WalkTime&) = delete;
    OrderMemory& memory;
    const Clock& clock;
    const SteadyTime began;
  };

  const EventLog::HeadsWanted wanted_;
  const int node_;
  const Clock& clock_;
  HeadLook look_;
  std::string snapshot_;  ///< of the news
  OrderKey seen_to_ = kNoOrder;
  bool busy_ = false;
  std::size_t picked_ = 0;
  Array keys_{Type::int8}, runs_{Type::int8}, heads_{Type::uuid};
};

}  // namespace

void PostgresEventLog::claim_heads(HeadsWanted wanted, HeadsClaimed done) {
  auto look = std::make_shared<std::optional<Look>>();
  auto search = [this, wanted, look](pg::Connection& connection) {
    settle_appends();
    look->emplace(wanted, leases_.id(), clock_);
    return (*look)->find(connection, memories_.of(wanted.destination, connection.number()));
  };
  claim(std::move(search), [look, done = std::move(done)](Result<std::vector<LeasedDelivery>> claimed) {
    if (!claimed) return done(std::unexpected(claimed.error()));
    done((*look)->heads(std::move(*claimed)));
  });
}

}  // namespace postern::relay
