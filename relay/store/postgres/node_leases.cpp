#include "relay/store/postgres/node_leases.hpp"

#include <time.h>

#include "base/log.hpp"
#include "relay/store/event_log.hpp"
#include "relay/store/lease_token.hpp"

namespace postern::relay {
namespace {

constexpr std::int64_t kReleaseAtOnce = 5'000;

/// Goes on while the machine sleeps: others count that time too.
std::int64_t steady_micros() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

NodeLeases::NodeLeases(const PostgresOptions& options, std::string name, const std::atomic<bool>& abandon)
    : options_(options), name_(std::move(name)), link_(options.connection("node"), abandon) {}

NodeLeases::~NodeLeases() {
  stop();
}

bool NodeLeases::good() const {
  return steady_micros() < good_until_.load(std::memory_order_acquire);
}

std::size_t NodeLeases::join() {
  return link_.with([this](pg::Connection& connection) {
    const pg::Params name = std::move(pg::Params().add_bytes(name_));
    connection.run("UPDATE node SET buried_at = now() WHERE name = $1 AND buried_at IS NULL", name);
    std::size_t released = 0;
    while (const std::size_t some = release_dead(connection)) released += some;
    go_on_as(new_number(connection), {});
    return released;
  });
}

NodeLeases::Number NodeLeases::new_number(pg::Connection& connection) const {
  const std::int64_t asked = steady_micros();
  const pg::Params params = std::move(pg::Params()
                                          .add_bytes(name_)
                                          .add_text(options_.label)
                                          .add_text(POSTERN_VERSION)
                                          .add(options_.lease_time.count()));
  const pg::Rows made = connection.run(
      "INSERT INTO node (name, label, version, lease_until) VALUES ($1, $2, $3, now() + $4 * interval '1 "
      "microsecond') RETURNING id",
      params);
  return {static_cast<int>(made.integer(0, 0)), asked + options_.lease_time.count() * 3 / 4};
}

void NodeLeases::go_on_as(const Number& number, const std::function<void()>& tell) {
  {
    const std::lock_guard lock(number_mutex_);
    id_ = number.id;
    if (tell) tell();
  }
  good_until_.store(number.good_until, std::memory_order_release);
  log::info("node.joined", {{"node", number.id}, {"label", options_.label}});
}

int NodeLeases::id() const {
  const std::lock_guard lock(number_mutex_);
  return id_;
}

void NodeLeases::start(Events events) {
  events_ = std::move(events);
  thread_ = std::thread([this] { run(); });
}

void NodeLeases::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    lock.unlock();
    try {
      link_.with([this](pg::Connection& connection) { beat(connection); });
    } catch (const std::exception& fault) {
      log::warn("node.heartbeat_failed", {{"error", fault.what()}});
    }
    lock.lock();
    wake_.wait_for(lock, options_.lease_time / 4, [this] { return stopping_; });
  }
}

void NodeLeases::beat(pg::Connection& connection) {
  const std::int64_t asked = steady_micros();  // before the question: the answer can only be better than this
  const pg::Params params = std::move(pg::Params().add(id()).add(options_.lease_time.count()));
  const pg::Rows kept = connection.run(
      "UPDATE node SET lease_until = now() + $2 * interval '1 microsecond', "
      "alive_since = CASE WHEN lease_until < now() THEN now() ELSE alive_since END "
      "WHERE id = $1 AND buried_at IS NULL RETURNING id",
      params);
  if (kept.size() == 0) {
    log::error("node.leases_lost",
               {{"node", id()}, {"detail", "it was away for too long, and others went on"}});
    good_until_.store(0, std::memory_order_release);
    // Told once there is another number: what is admitted meanwhile is of the term that ends then, and comes
    // back. If there is none to be had, nothing starts until a later heartbeat has found the same.
    return go_on_as(new_number(connection), events_.lost);
  }
  good_until_.store(asked + options_.lease_time.count() * 3 / 4, std::memory_order_release);
  const std::size_t buried =
      bury(connection,
           "lease_until < now() AND EXISTS (SELECT 1 FROM node me WHERE me.id = $1 AND "
           "me.alive_since < now() - $2 * interval '1 microsecond')",
           params);
  if (buried > 0) log::warn("node.buried", {{"count", buried}, {"detail", "their leases ran out"}});
  std::size_t released = 0;
  while (const std::size_t some = release_dead(connection)) released += some;
  if (events_.each_beat) events_.each_beat(connection);
  if (released > 0) log::warn("node.leases_taken_over", {{"deliveries", released}});
  if (released == 0 && buried == 0) return;  // a node may also have left behind what it had not leased yet
  if (events_.taken_over) events_.taken_over(released);
}

std::size_t NodeLeases::bury(pg::Connection& connection, std::string_view which, const pg::Params& params) {
  const std::string sql =
      fmt::format("UPDATE node SET buried_at = now() WHERE buried_at IS NULL AND {} RETURNING id", which);
  return connection.run(sql, params).size();
}

/// Whatever is leased by no living node, in steps. Also what a buried node committed after its burial, before
/// it knew. A delivery whose node died is a suspect: its own attempt may be what killed it, and after too
/// many it is dead.
std::size_t NodeLeases::release_dead(pg::Connection& connection) {
  static const std::string kSql = fmt::format(
      "WITH RECURSIVE holder (id) AS ("
      "  (SELECT lease_node FROM delivery WHERE state = 1 ORDER BY lease_node LIMIT 1)"
      "  UNION ALL SELECT (SELECT d.lease_node FROM delivery d WHERE d.state = 1 AND d.lease_node > "
      "holder.id "
      "                    ORDER BY d.lease_node LIMIT 1) FROM holder WHERE holder.id IS NOT NULL), "
      "dead AS MATERIALIZED (SELECT id FROM holder WHERE id IS NOT NULL AND NOT EXISTS "
      "  (SELECT 1 FROM node n WHERE n.id = holder.id AND n.buried_at IS NULL)), "
      "found AS MATERIALIZED (SELECT d.row FROM dead CROSS JOIN LATERAL (SELECT row FROM delivery WHERE "
      "state = 1 AND "
      "  lease_node = dead.id LIMIT {0} FOR UPDATE SKIP LOCKED) d LIMIT {0}) "
      "UPDATE delivery d SET state = CASE WHEN d.crashes >= {1} THEN 4 ELSE 0 END, "
      "reason = CASE WHEN d.crashes >= {1} THEN 'worker_crashed' ELSE 'node_lost' END, "
      "crashes = GREATEST(d.crashes, 1), lease = (d.lease + 1) & {2}, "
      "next_at = LEAST(d.next_at, (extract(epoch FROM now()) * 1000000)::bigint) "
      "FROM found WHERE d.row = found.row RETURNING d.row",
      kReleaseAtOnce, EventLog::kCrashesMost, LeaseToken::kLeaseMask);
  return connection.run(kSql).size();
}

void NodeLeases::stop() {
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  wake_.notify_all();
  if (!thread_.joinable()) return;
  thread_.join();
  leave();
}

void NodeLeases::give_back() noexcept {
  try {
    static const std::atomic<bool> never{false};
    pg::Link own(options_.connection("give back"), never);
    own.with([this](pg::Connection& connection) {
      const pg::Params params = std::move(pg::Params().add(id()));
      connection.run(fmt::format("UPDATE delivery SET state = 0, reason = 'shutdown', crashes = 0, "
                                 "lease = (lease + 1) & {} WHERE state = 1 AND lease_node = $1",
                                 LeaseToken::kLeaseMask),
                     params);
    });
  } catch (const std::exception& fault) {
    log::warn("node.leases_not_given_back", {{"error", fault.what()}});
  }
}

/// The polite end: what is still leased then becomes pending at the others' next heartbeat.
void NodeLeases::leave() noexcept {
  try {
    link_.with([this](pg::Connection& connection) {
      const pg::Params params = std::move(pg::Params().add(id()));
      connection.run("UPDATE node SET buried_at = now() WHERE id = $1", params);
    });
  } catch (const std::exception& fault) {
    log::warn("node.leave_failed",
              {{"error", fault.what()}, {"detail", "the others take over when its lease ends"}});
  }
}

}  // namespace postern::relay
