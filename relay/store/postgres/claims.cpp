// PostgresEventLog::claim_due, claim_waiting, next_due and backlog: what waits, and who takes it.
#include <algorithm>
#include <map>

#include "base/log.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/postgres/event_log.hpp"

namespace postern::relay {
namespace {

/// A claim that brought less was not cut short for its size: that happens at 64 MiB.
constexpr std::size_t kWholeBytes = 32ULL << 20;
constexpr Duration kSettle = std::chrono::seconds(1);
/// While a snapshot is held the index keeps an entry of every delivery that ever waited, and they lie before
/// those that wait now. What becomes pending is due now or later, so a claim begins a little before the end
/// of the last one that left nothing; one in a while looks at all.
constexpr Duration kLookBack = std::chrono::seconds(15);
constexpr Duration kLookAtAll = std::chrono::seconds(60);

using pg::Array;
using pg::Params;
using pg::Type;

// Which rows: locked, oldest first, with the size of their events. Rows that another node is just taking are
// passed over.
constexpr std::string_view kFindDue =
    "SELECT d.row, d.event_row, octet_length(e.body) + d.bytes FROM ("
    "  SELECT row, event_row, next_at, id, COALESCE(octet_length(payload), 0) AS bytes FROM delivery WHERE "
    "state = 0 AND order_key = 0 AND next_at >= $4 AND next_at <= $1 AND "
    "  destination_id <> ALL ($3::uuid[]) ORDER BY next_at, id LIMIT $2 FOR UPDATE SKIP LOCKED) d "
    "JOIN event e ON e.row = d.event_row ORDER BY d.next_at, d.id";
constexpr std::string_view kFindWaiting =
    "WITH parked AS MATERIALIZED (SELECT row, event_row, id, COALESCE(octet_length(payload), 0) AS bytes "
    "FROM delivery WHERE state = 2 AND order_key = 0 AND destination_id = $3 "
    "  ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED), "
    "due AS MATERIALIZED (SELECT row, event_row, id, COALESCE(octet_length(payload), 0) AS bytes FROM "
    "delivery WHERE state = 0 AND order_key = 0 AND destination_id = $3 AND "
    "  next_at <= $1 ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED), "
    "oldest AS (SELECT * FROM parked UNION ALL SELECT * FROM due ORDER BY id LIMIT $2) "
    "SELECT d.row, d.event_row, octet_length(e.body) + d.bytes FROM oldest d JOIN event e ON e.row = "
    "d.event_row ORDER "
    "BY d.id";

/// A claim that was cut short for its size says nothing of what is left.
std::size_t total_bytes(const std::vector<LeasedDelivery>& claimed) {
  std::size_t bytes = 0;
  for (const LeasedDelivery& it : claimed) bytes += it.event->body.size() + 1024;
  return bytes;
}

/// What a lane's task came to, as a value. Nothing of it ever breaks the store for good.
template <class Work>
auto attempt(Work work) -> Result<decltype(work())> {
  try {
    return work();
  } catch (const pg::Failure& failure) {
    if (!failure.lost()) log::error("store.claim_failed", {{"error", failure.what()}});
    return fail("store_busy", fmt::format("PostgreSQL: {}", failure.what()));
  } catch (const std::exception& fault) {
    log::error("store.claim_failed", {{"error", fault.what()}});
    return fail("store_busy", "The store could not do that; the log says why.");
  }
}

template <class Done, class Outcome>
void tell(const Done& done, Outcome outcome) {
  try {
    done(std::move(outcome));
  } catch (const std::exception& fault) {
    log::error("store.callback_failed", {{"error", fault.what()}});
  }
}

}  // namespace

/// What was admitted before a claim was asked for must be there for it: the dispatcher takes a claim that
/// comes back short for proof that nothing older is left, and one along the keys for the answer to what it
/// admitted.
void PostgresEventLog::settle_appends() {
  appends_.settle(kSettle);
}

/// Those that `find` says, each with its event and its size.
pg::Search PostgresEventLog::all_that(std::string_view find, Params params) {
  return [this, find, params = std::move(params)](pg::Connection& connection) {
    settle_appends();
    const pg::Statement search[] = {{"BEGIN"}, {find, &params}};
    const auto answers = connection.pipeline(search);
    const pg::Rows& candidates = answers[1];
    pg::Found found;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
      if (!found.add(candidates.integer(i, 0), candidates.integer(i, 1), candidates.integer(i, 2))) break;
    }
    return found;
  };
}

void PostgresEventLog::claim(pg::Search search, Claimed done) {
  auto shared = std::make_shared<Claimed>(std::move(done));
  const auto offer = claims_.submit([this, search = std::move(search), shared](pg::Link& link) {
    pg::Claim claim;
    int node = 0;
    bool lost = false;
    auto outcome = attempt([&] {
      return link.with([&](pg::Connection& connection) {
        if (!leases_.joined()) throw pg::Failure("55P03", "the leases are lost, and this node joins again");
        // What an earlier claim may have leased must be known first: it would be taken back from this one.
        if (doubtful_.any()) doubtful_.settle(connection);
        if (doubtful_.any()) throw pg::Failure("55P03", "an earlier claim is still in doubt");
        try {
          node = leases_.id();
          return claim.run(connection, search, node, clock_.now());
        } catch (const pg::Failure& failure) {
          lost = failure.lost();
          throw;
        }
      });
    });
    if (lost && claim.committing) doubtful_.add(link.backend(), node, std::move(claim.found.rows));
    tell(*shared, std::move(outcome));
  });
  if (offer != pg::Lane::Offer::taken)
    (*shared)(fail("store_busy", "Too many claims wait, or the store is closed."));
}

std::int64_t PostgresEventLog::due_from() {
  const SteadyTime now = clock_.steady();
  const std::lock_guard lock(due_mutex_);
  if (looked_at_all_ && now - *looked_at_all_ < kLookAtAll) return due_from_;
  looked_at_all_ = now;
  return 0;
}

void PostgresEventLog::nothing_due_before(Time now) {
  const std::lock_guard lock(due_mutex_);
  due_from_ = std::max(due_from_, to_micros(now - kLookBack));
}

void PostgresEventLog::claim_due(Time now, std::size_t limit, std::vector<DestinationId> except,
                                 Claimed done) {
  Array skip(Type::uuid);
  for (const DestinationId& id : except) skip.add(id.bytes());
  const std::int64_t from = due_from();
  Params params;
  params.add(to_micros(now)).add(static_cast<std::int64_t>(limit)).add(std::move(skip)).add(from);
  claim(all_that(kFindDue, std::move(params)),
        [this, now, limit, from, done = std::move(done)](Result<std::vector<LeasedDelivery>> claimed) {
          if (!claimed && from == 0) look_at_all();
          if (claimed && claimed->size() < limit && total_bytes(*claimed) < kWholeBytes)
            nothing_due_before(now);
          done(std::move(claimed));
        });
}

void PostgresEventLog::look_at_all() {
  const std::lock_guard lock(due_mutex_);
  looked_at_all_.reset();
}

void PostgresEventLog::claim_waiting(DestinationId destination, Time now, std::size_t limit, Claimed done) {
  Params params;
  params.add(to_micros(now)).add(static_cast<std::int64_t>(limit)).add_bytes(destination.bytes());
  claim(all_that(kFindWaiting, std::move(params)), std::move(done));
}

template <class T>
void PostgresEventLog::look(std::function<T(pg::Connection&)> work, std::function<void(Result<T>)> done) {
  auto shared = std::make_shared<std::function<void(Result<T>)>>(std::move(done));
  const auto offer = looks_.submit([work = std::move(work), shared](pg::Link& link) {
    tell(*shared, attempt([&] { return link.with(work); }));
  });
  if (offer != pg::Lane::Offer::taken)
    (*shared)(fail("store_busy", "Too much waits, or the store is closed."));
}

void PostgresEventLog::mark_started(std::vector<Started> started,
                                    std::function<void(Result<std::vector<std::uint64_t>>)> done) {
  look<std::vector<std::uint64_t>>(
      [started = std::move(started)](pg::Connection& connection) {
        Array rows(Type::int8), leases(Type::int4);
        for (const Started& it : started) {
          const auto token = LeaseToken::unpack(it.lease_token);
          rows.add(token.row);
          leases.add(token.lease);
        }
        const Params params = std::move(Params().add(std::move(rows)).add(std::move(leases)));
        const auto marked = connection.run(
            "UPDATE delivery d SET crashes = d.crashes + 1 FROM unnest($1::int8[], $2::int4[]) AS u (row, "
            "lease) "
            "WHERE d.row = u.row AND d.state = 1 AND d.lease = u.lease RETURNING d.row, d.lease",
            params);
        std::vector<std::uint64_t> tokens;
        tokens.reserve(marked.size());
        for (std::size_t i = 0; i < marked.size(); ++i)
          tokens.push_back(LeaseToken{marked.integer(i, 0), marked.integer(i, 1)}.pack());
        return tokens;
      },
      std::move(done));
}

void PostgresEventLog::next_due(Time now, std::function<void(Result<std::optional<Time>>)> done) {
  look<std::optional<Time>>(
      [now](pg::Connection& connection) -> std::optional<Time> {
        const Params params = std::move(Params().add(to_micros(now)));
        const auto found = connection.run(
            "SELECT next_at FROM delivery WHERE state = 0 AND order_key = 0 AND next_at > $1 ORDER BY "
            "next_at LIMIT 1",
            params);
        if (found.size() == 0) return std::nullopt;
        return from_micros(found.integer(0, 0));
      },
      std::move(done));
}

/// Which, not how many: counting a million parked deliveries every few seconds would cost more than
/// delivering them.
void PostgresEventLog::backlog(std::function<void(Result<std::vector<Backlog>>)> done) {
  look<std::vector<Backlog>>(
      [](pg::Connection& connection) {
        static const auto kWhich = [](std::string_view which) {
          return fmt::format(
              "WITH RECURSIVE found (id) AS ("
              "  (SELECT destination_id FROM delivery WHERE {0} ORDER BY destination_id LIMIT 1)"
              "  UNION ALL SELECT (SELECT d.destination_id FROM delivery d WHERE {0} AND "
              "    d.destination_id > found.id ORDER BY d.destination_id LIMIT 1) FROM found WHERE found.id "
              "IS NOT NULL)"
              " SELECT id FROM found WHERE id IS NOT NULL",
              which);
        };
        static const std::string kPending = kWhich("state = 0"), kParked = kWhich("state = 2"),
                                 kInOrder = kWhich("state <= 2 AND order_key <> 0");
        std::map<DestinationId, Backlog> found;
        const auto add = [&](const pg::Rows& rows, auto Backlog::* field) {
          for (std::size_t i = 0; i < rows.size(); ++i) {
            const auto id = *DestinationId::from_bytes(rows.bytes(i, 0));
            found[id].destination_id = id;
            found[id].*field = 1;
          }
        };
        add(connection.run(kPending), &Backlog::pending);
        add(connection.run(kParked), &Backlog::parked);
        add(connection.run(kInOrder), &Backlog::in_order);
        std::vector<Backlog> list;
        list.reserve(found.size());
        for (const auto& [id, entry] : found) list.push_back(entry);
        return list;
      },
      std::move(done));
}

}  // namespace postern::relay
