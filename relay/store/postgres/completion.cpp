// PostgresEventLog::complete: the attempts and what follows from them.
#include <set>
#include <thread>
#include <unordered_map>

#include "base/log.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/packing.hpp"
#include "relay/store/postgres/event_log.hpp"
#include "relay/store/rows.hpp"

namespace postern::relay {
namespace {

using pg::Array;
using pg::Params;
using pg::Type;

// One statement, so one transaction: the attempt is there exactly when the delivery has moved on. `state + 0`
// keeps the planner from reading all that is leased, and all that ever was while a snapshot is held, instead
// of looking each row up; `IN … IS TRUE` is a hash table where joins are nested loops.
constexpr std::string_view kComplete =
    "WITH told AS MATERIALIZED (SELECT * FROM unnest($1::int8[], $2::uuid[], $3::int4[], $4::int2[], "
    "$5::text[], "
    "  $6::int4[], $7::int4[], $8::int8[], $26::int4[]) AS u (row, id, lease, state, reason, counted, tries, "
    "  next_at, answered)), "
    "moved AS (UPDATE delivery d SET state = t.state, reason = t.reason, attempt_count = d.attempt_count + "
    "t.counted, "
    "  tries = GREATEST(d.tries, t.tries), crashes = CASE WHEN t.tries > 0 THEN 0 ELSE d.crashes END, "
    "  answered = GREATEST(d.answered, t.answered), next_at = COALESCE(t.next_at, d.next_at), updated_at = "
    "$9 "
    "  FROM told t "
    "  WHERE d.row = t.row AND d.state + 0 = 1 AND d.lease = t.lease AND d.id = t.id RETURNING d.row), "
    "kept AS (INSERT INTO attempt (row, started_at, outcome, counted, error_code, error_message, url, "
    "response_status, "
    "  response_truncated, dns, connect, tls, first_byte, total, response_headers, response_body) "
    "  SELECT a.row, a.started_at, a.outcome, a.counted, a.error_code, a.error_message, a.url, "
    "a.response_status, "
    "  a.response_truncated, a.dns, a.connect, a.tls, a.first_byte, a.total, a.response_headers, "
    "a.response_body "
    "  FROM unnest($10::int8[], $11::int8[], $12::int2[], $13::int2[], $14::text[], $15::text[], "
    "$16::text[], "
    "  $17::int4[], $18::int2[], $19::int8[], $20::int8[], $21::int8[], $22::int8[], $23::int8[], "
    "$24::bytea[], "
    "  $25::bytea[]) AS a (row, started_at, outcome, counted, error_code, error_message, url, "
    "response_status, "
    "  response_truncated, dns, connect, tls, first_byte, total, response_headers, response_body) "
    "  WHERE (a.row / 65536 IN (SELECT m.row FROM moved m)) IS TRUE ON CONFLICT (row, started_at) DO "
    "NOTHING) "
    "SELECT row FROM moved";

struct CompletionArrays {
  Array row{Type::int8}, id{Type::uuid}, lease{Type::int4}, state{Type::int2}, reason{Type::text},
      counted{Type::int4}, tries{Type::int4}, next_at{Type::int8}, answered{Type::int4};

  void add(const Completion& it, LeaseToken token) {
    row.add(token.row);
    id.add(it.delivery_id.bytes());
    lease.add(token.lease);
    state.add(rows::number(it.next));
    reason.add(it.reason);
    counted.add(it.attempt && it.attempt->counted ? 1 : 0);
    tries.add(it.attempt ? std::int64_t{it.attempt->number} : 0);
    answered.add(it.attempt ? rows::answered_attempt(*it.attempt) : 0);
    if (it.next == DeliveryState::pending)
      next_at.add(to_micros(it.next_at));
    else
      next_at.add_null();
  }
};

struct AttemptArrays {
  Array row{Type::int8}, started{Type::int8}, outcome{Type::int2}, counted{Type::int2}, code{Type::text},
      message{Type::text}, url{Type::text}, status{Type::int4}, truncated{Type::int2}, dns{Type::int8},
      connect{Type::int8}, tls{Type::int8}, first{Type::int8}, total{Type::int8}, headers{Type::bytea},
      body{Type::bytea};

  void add(const Attempt& it, std::int64_t delivery_row) {
    row.add(rows::attempt_row(delivery_row, it.number));
    started.add(to_micros(it.started_at));
    outcome.add(rows::number(it.outcome));
    counted.add(it.counted ? 1 : 0);
    code.add(it.error_code);
    message.add(it.error_message);
    url.add(it.url);
    status.add(it.response_status);
    truncated.add(it.response_truncated ? 1 : 0);
    dns.add(it.dns.count());
    connect.add(it.connect.count());
    tls.add(it.tls.count());
    first.add(it.first_byte.count());
    total.add(it.total.count());
    headers.add(pack_headers(it.response_headers));
    body.add(it.response_body);
  }
  void move_into(Params& params) {
    for (Array* array : {&row, &started, &outcome, &counted, &code, &message, &url, &status, &truncated, &dns,
                         &connect, &tls, &first, &total, &headers, &body})
      params.add(std::move(*array));
  }
};

/// Gathers completions into statements, and counts for each batch how many still held their lease. A delivery
/// stands once in a statement: its next lease waits for the one before.
class Recorder {
 public:
  Recorder(pg::Connection& connection, std::size_t batches, Time now)
      : connection_(connection), now_(now), fenced_in_(batches) {}

  void add(const Completion& completion, std::size_t batch) {
    const auto token = LeaseToken::unpack(completion.lease_token);
    if (batch_of_.contains(token.row)) flush();
    batch_of_.emplace(token.row, batch);
    completions_.add(completion, token);
    if (completion.attempt) attempts_.add(*completion.attempt, token.row);
  }
  const std::vector<std::size_t>& finish() {
    flush();
    return fenced_in_;
  }

 private:
  void flush() {
    if (batch_of_.empty()) return;
    CompletionArrays told = std::exchange(completions_, {});
    Params params;
    params.add(std::move(told.row))
        .add(std::move(told.id))
        .add(std::move(told.lease))
        .add(std::move(told.state));
    params.add(std::move(told.reason)).add(std::move(told.counted)).add(std::move(told.tries));
    params.add(std::move(told.next_at)).add(to_micros(now_));
    std::exchange(attempts_, {}).move_into(params);
    params.add(std::move(told.answered));
    const auto moved = connection_.run(kComplete, params);
    for (std::size_t i = 0; i < moved.size(); ++i) ++fenced_in_[batch_of_.at(moved.integer(i, 0))];
    batch_of_.clear();
  }

  pg::Connection& connection_;
  const Time now_;
  CompletionArrays completions_;
  AttemptArrays attempts_;
  std::unordered_map<std::int64_t, std::size_t> batch_of_;
  std::vector<std::size_t> fenced_in_;
};

void tell(const CompletionQueue::Batch& batch, Result<std::size_t> outcome) {
  if (!batch.done) return;
  try {
    batch.done(std::move(outcome));
  } catch (const std::exception& fault) {
    log::error("store.callback_failed", {{"error", fault.what()}});
  }
}

}  // namespace

void PostgresEventLog::complete(std::vector<Completion> completions,
                                std::function<void(Result<std::size_t>)> done) {
  CompletionQueue::Batch batch{std::move(completions), std::move(done)};
  if (!completions_.offer(batch)) tell(batch, fail("store_failed", "The store is closed."));
}

std::vector<std::size_t> PostgresEventLog::record(pg::Connection& connection,
                                                  std::span<const CompletionQueue::Batch> batches) {
  std::set<std::int64_t> days;
  for (const auto& batch : batches) {
    for (const Completion& it : batch.completions) {
      if (it.attempt) days.insert(Partitions::day_of(it.attempt->started_at));
    }
  }
  for (const std::int64_t day : days) partitions_.ensure(connection, day);
  Recorder recorder(connection, batches.size(), clock_.now());
  for (std::size_t i = 0; i < batches.size(); ++i) {
    for (const Completion& it : batches[i].completions) recorder.add(it, i);
  }
  return recorder.finish();
}

/// Until it is recorded, however long the server is away. Recording a second time what a lost connection may
/// have recorded changes nothing: the lease is gone then.
bool PostgresEventLog::record_batches(pg::Link& link, std::span<const CompletionQueue::Batch> batches) {
  while (!abandon_.load()) {
    try {
      const auto fenced_in =
          link.with([&](pg::Connection& connection) { return record(connection, batches); });
      for (std::size_t i = 0; i < batches.size(); ++i) tell(batches[i], fenced_in[i]);
      return true;
    } catch (const pg::Failure& failure) {
      if (failure.partition_missing()) partitions_.forget();
      if (!failure.lost() && !failure.collision() && !failure.partition_missing() &&
          !failure.server_trouble()) {
        log::error("store.complete_failed", {{"batches", batches.size()}, {"error", failure.what()}});
        return false;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    } catch (const std::exception& fault) {
      log::error("store.complete_failed", {{"batches", batches.size()}, {"error", fault.what()}});
      return false;
    }
  }
  for (const auto& batch : batches) tell(batch, fail("store_failed", "The store was closed first."));
  return true;
}

void PostgresEventLog::write_completions() {
  pg::Link link(options_.hot_connection("complete", pg::Options::Plan::by_index), abandon_);
  while (true) {
    const auto batches = completions_.take();
    if (batches.empty()) return;
    if (record_batches(link, batches)) continue;
    // One of them cannot be recorded for what is in it: it must not keep the others.
    for (const auto& batch : batches) {
      if (!record_batches(link, {&batch, 1}))
        tell(batch, fail("store_busy", "The store did not take it; see the log."));
    }
  }
}

}  // namespace postern::relay
