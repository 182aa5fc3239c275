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
#include <algorithm>
#include <map>

#include "relay/store/head_look.hpp"
#include "relay/store/postgres/event_log.hpp"
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

constexpr std::string_view kLock = "SELECT pg_try_advisory_xact_lock($1, $2)::int";

/// From one key to the next, a few steps down an index each. claimable: 1, or 0 for one that is not due; else
/// the node that holds it, negative.
constexpr std::string_view kLook =
    "WITH RECURSIVE head (key, claimable, next_at, tries, taken, looked) AS ("
    "  SELECT $2::int8, 0, 0::int8, 0, 0, 0"
    "  UNION ALL"
    "  SELECT n.key, n.claimable, n.next_at, n.tries, h.taken + CASE WHEN n.claimable = 1 THEN 1 ELSE 0 END, "
    "h.looked + 1 FROM head h CROSS JOIN LATERAL ("
    "    SELECT d.order_key AS key, CASE "
    "      WHEN l.lease_node IS NOT NULL THEN -l.lease_node "
    "      WHEN d.state = 2 OR d.next_at <= $3 THEN 1 ELSE 0 END AS claimable, d.next_at, d.tries"
    "    FROM delivery d LEFT JOIN LATERAL (SELECT o.lease_node FROM delivery o WHERE o.destination_id = $1 "
    "AND "
    "      o.order_key = d.order_key AND o.state = 1 AND o.order_key <> 0 LIMIT 1) l ON true"
    "    WHERE d.destination_id = $1 AND d.order_key > h.key AND d.order_key <> 0 AND d.state <= 2"
    "    ORDER BY d.order_key, d.id LIMIT 1) n"
    "  WHERE h.taken < $4 AND h.looked < $5) "
    "SELECT key, claimable, next_at, tries FROM head WHERE looked > 0";

/// Of each key so many of the oldest, numbered; then what of them is locked and may be leased.
constexpr std::string_view kRuns =
    "SELECT d.row, d.event_row, octet_length(e.body) + COALESCE(octet_length(d.payload), 0), r.key, r.nth "
    "FROM (SELECT k.key, o.row, o.id, o.nth FROM unnest($2::int8[], $3::int8[]) AS k (key, run) CROSS JOIN "
    "LATERAL ("
    "    SELECT f.row, f.id, row_number() OVER (ORDER BY f.id) AS nth FROM ("
    "      SELECT row, id FROM delivery WHERE destination_id = $1 AND order_key = k.key AND order_key <> 0 "
    "AND "
    "      state <= 2 ORDER BY id LIMIT k.run) f) o) r "
    "JOIN delivery d ON d.row = r.row JOIN event e ON e.row = d.event_row "
    "WHERE d.state = 2 OR (d.state = 0 AND d.next_at <= $4) ORDER BY r.nth, r.id LIMIT $5 "
    "FOR UPDATE OF d SKIP LOCKED";

/// Some of the id's random bytes.
std::int64_t lock_number(DestinationId id) {
  std::uint32_t number = 0;
  for (std::size_t i = 12; i < 16; ++i) number = number << 8 | static_cast<std::uint8_t>(id.bytes()[i]);
  return static_cast<std::int32_t>(number);
}

/// One look; its result beside what is leased.
class Look {
 public:
  Look(const EventLog::HeadsWanted& wanted, int node)
      : wanted_(wanted), node_(node), look_(wanted.limit, kKeysMost) {}

  pg::Found find(pg::Connection& connection) {
    if (!lock(connection)) {
      busy_ = true;
      look_.may_be_free_at(wanted_.now + kBusy);
      return {};
    }
    read_keys(connection.run(kLook, keys()));
    picked_ = keys_.size();
    return picked_ == 0 ? pg::Found{} : take_runs(connection);
  }

  EventLog::Heads heads(std::vector<LeasedDelivery> leased) const {
    return {std::move(leased), seen_to_, look_.again(), busy_, look_.passed()};
  }

 private:
  /// By itself, because a look costs something, and without the lock it is for nothing.
  bool lock(pg::Connection& connection) const {
    const Params lock = std::move(Params().add(pg::kHeadsLock).add(lock_number(wanted_.destination)));
    const pg::Statement statements[] = {{"BEGIN"}, {kLock, &lock}};
    return connection.pipeline(statements)[1].integer(0, 0) != 0;
  }

  Params keys() const {
    Params keys;
    keys.add_bytes(wanted_.destination.bytes()).add(wanted_.after).add(to_micros(wanted_.now));
    keys.add(static_cast<std::int64_t>(wanted_.limit)).add(kKeysMost);
    return keys;
  }

  void read_keys(const pg::Rows& rows) {
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t claimable = rows.integer(i, 1);
      if (claimable == 1) {
        keys_.add(rows.integer(i, 0));
        runs_.add(rows.integer(i, 3) > 0 ? 1 : static_cast<std::int64_t>(wanted_.run));
      } else if (claimable == 0) {
        look_.may_be_free_at(from_micros(rows.integer(i, 2)));
      } else if (-claimable != node_) {
        look_.may_be_free_at(wanted_.now + kElsewhere);
      }
      look_.looked(rows.integer(i, 0), claimable == 1 ? 1 : 0);
    }
    if (!look_.wants_more()) seen_to_ = look_.last();
  }

  pg::Found take_runs(pg::Connection& connection) {
    Params params;
    params.add_bytes(wanted_.destination.bytes()).add(std::move(keys_)).add(std::move(runs_));
    params.add(to_micros(wanted_.now)).add(static_cast<std::int64_t>(wanted_.limit));
    const pg::Rows rows = connection.run(kRuns, params);
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

  const EventLog::HeadsWanted wanted_;
  const int node_;
  HeadLook look_;
  OrderKey seen_to_ = kNoOrder;
  bool busy_ = false;
  std::size_t picked_ = 0;
  Array keys_{Type::int8}, runs_{Type::int8};
};

}  // namespace

void PostgresEventLog::claim_heads(HeadsWanted wanted, HeadsClaimed done) {
  auto look = std::make_shared<std::optional<Look>>();
  auto search = [this, wanted, look](pg::Connection& connection) {
    settle_appends();
    look->emplace(wanted, leases_.id());
    return (*look)->find(connection);
  };
  claim(std::move(search), [look, done = std::move(done)](Result<std::vector<LeasedDelivery>> claimed) {
    if (!claimed) return done(std::unexpected(claimed.error()));
    done((*look)->heads(std::move(*claimed)));
  });
}

}  // namespace postern::relay
