// SqliteEventLog::complete: the attempt and what follows from it.

#include "base/log.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/rows.hpp"
#include "relay/store/sqlite/event_log.hpp"

namespace postern::relay {
namespace {

class CompleteTask final : public WriteTask {
 public:
  using Done = std::function<void(Result<std::size_t>)>;
  CompleteTask(const Clock& clock, std::vector<Completion> completions, Done done)
      : clock_(clock), completions_(std::move(completions)), done_(std::move(done)) {
    for (const Completion& completion : completions_) bytes_ += size_of(completion);
  }

  Kind kind() const override { return Kind::other; }
  std::size_t bytes() const override { return bytes_; }

  void run(sqlite::Connection& connection) override {
    const Time now = clock_.now();
    for (const Completion& completion : completions_) {
      const auto lease = LeaseToken::unpack(completion.lease_token);
      if (!move_on(connection, completion, lease, now)) continue;
      ++fenced_in_;
      if (completion.attempt) record(connection, lease.row, *completion.attempt);
    }
  }

  void settle(const Error* error) override {
    if (!done_) return;
    try {
      done_(error ? Result<std::size_t>(std::unexpected(*error)) : Result<std::size_t>(fenced_in_));
    } catch (const std::exception& fault) {
      log::error("store.callback_failed", {{"error", fault.what()}});
    }
  }

 private:
  /// Mostly what the destination answered: it may be large, and a group's size is how long events wait.
  static std::size_t size_of(const Completion& completion) {
    if (!completion.attempt) return 256;
    std::size_t size = 1024 + completion.attempt->response_body.size();
    for (const http::Header& it : completion.attempt->response_headers)
      size += it.name.size() + it.value.size();
    return size;
  }

  static bool move_on(sqlite::Connection& connection, const Completion& completion, LeaseToken lease,
                      Time now) {
    const bool pending = completion.next == DeliveryState::pending;
    const bool counted = completion.attempt && completion.attempt->counted;
    const sqlite::Use update(
        connection.prepared("UPDATE delivery SET state = ?4, reason = ?5, attempt_count = attempt_count + "
                            "?6, tries = max(tries, ?7), crashes = CASE WHEN ?7 > 0 THEN 0 ELSE crashes END, "
                            "next_at = coalesce(?8, next_at), updated_at = ?9, answered = max(answered, ?10) "
                            "WHERE row = ?1 AND state = 1 "
                            "AND lease = ?2 AND id = ?3"));
    update->bind(1, lease.row);
    update->bind(2, lease.lease);
    update->bind_blob(3, completion.delivery_id.bytes());
    update->bind(4, rows::number(completion.next));
    update->bind_text(5, completion.reason);
    update->bind(6, counted ? 1 : 0);
    update->bind(7, completion.attempt ? std::int64_t{completion.attempt->number} : 0);
    if (pending)
      update->bind(8, to_micros(completion.next_at));
    else
      update->bind_null(8);
    update->bind(9, to_micros(now));
    update->bind(10, completion.attempt ? rows::answered_attempt(*completion.attempt) : 0);
    update->step();
    return connection.changes() == 1;
  }

  static void record(sqlite::Connection& connection, std::int64_t delivery_row, const Attempt& attempt) {
    const std::string headers = pack_headers(attempt.response_headers);
    const sqlite::Use insert(connection.prepared(
        "INSERT OR REPLACE INTO attempt (row, outcome, counted, error_code, error_message, url, "
        "response_status, "
        "response_truncated, dns, connect, tls, first_byte, total, started_at, response_headers, "
        "response_body) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)"));
    insert->bind(1, rows::attempt_row(delivery_row, attempt.number));
    insert->bind(2, rows::number(attempt.outcome));
    insert->bind(3, attempt.counted ? 1 : 0);
    insert->bind_text(4, attempt.error_code);
    insert->bind_text(5, attempt.error_message);
    insert->bind_text(6, attempt.url);
    insert->bind(7, attempt.response_status);
    insert->bind(8, attempt.response_truncated ? 1 : 0);
    insert->bind(9, attempt.dns.count());
    insert->bind(10, attempt.connect.count());
    insert->bind(11, attempt.tls.count());
    insert->bind(12, attempt.first_byte.count());
    insert->bind(13, attempt.total.count());
    insert->bind(14, to_micros(attempt.started_at));
    insert->bind_blob(15, headers);
    insert->bind_blob(16, attempt.response_body);
    insert->step();
  }

  const Clock& clock_;
  std::vector<Completion> completions_;
  Done done_;
  std::size_t bytes_ = 0;
  std::size_t fenced_in_ = 0;
};

}  // namespace

void SqliteEventLog::complete(std::vector<Completion> completions,
                              std::function<void(Result<std::size_t>)> done) {
  db_.writer().submit(std::make_unique<CompleteTask>(clock_, std::move(completions), std::move(done)));
}

}  // namespace postern::relay
