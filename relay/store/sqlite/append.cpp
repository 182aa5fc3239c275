// SqliteEventLog::append: an event, its dedupe key and its deliveries.

#include "base/log.hpp"
#include "relay/store/commit_order.hpp"
#include "relay/store/dedupe_key.hpp"
#include "relay/store/leased_by_append.hpp"
#include "relay/store/rows.hpp"
#include "relay/store/sqlite/event_log.hpp"

namespace postern::relay {

/// All that needs no database is done by the constructor, on the caller's thread: the writer is the
/// bottleneck.
class SqliteAppendTask final : public WriteTask {
 public:
  SqliteAppendTask(SqliteEventLog& log, NewEvent event, boost::asio::any_io_executor reply_on,
                   EventLog::AppendDone done)
      : log_(log), new_(std::move(event)), reply_on_(std::move(reply_on)), done_(std::move(done)) {
    const Event& it = *new_.event;
    pack_headers(it.headers, headers_);
    fingerprint_ =
        siphash(log_.key_, dedupe_text(it.workspace_id.bytes(), it.source_id.bytes(), it.dedupe_key));
    bytes_ = sizeof *this + sizeof it + it.body.size() + 2 * headers_.size() + it.target.size() + 512;
    for (const NewDelivery& delivery : new_.deliveries) {
      if (delivery.payload) bytes_ += delivery.payload->body.size();
    }
  }

  Kind kind() const override { return Kind::append; }
  std::size_t bytes() const override { return bytes_; }

  void run(sqlite::Connection& connection) override {
    outcome_ = store(connection);
    if (acknowledge_before_commit()) reply(std::move(outcome_));
  }

  void settle(const Error* error) override {
    if (!reply_on_) return;  // answered before the commit: only in the kill test's negative control
    if (error) return reply(std::unexpected(*error));
    if (outcome_)
      (outcome_->duplicate ? log_.duplicates_ : log_.events_).fetch_add(1, std::memory_order_relaxed);
    log_.replies_.push_back({std::move(reply_on_), std::move(done_), std::move(outcome_)});
  }

 private:
  void reply(Result<Appended> outcome) {
    boost::asio::post(
        std::exchange(reply_on_, {}),
        [done = std::move(done_), outcome = std::move(outcome)]() mutable { done(std::move(outcome)); });
  }

  Result<Appended> store(sqlite::Connection& connection) {
    const Event& event = *new_.event;
    std::int64_t row = 0;
    if (!event.dedupe_key.empty()) {
      if (const auto first = log_.find_first(connection, event, fingerprint_, row)) {
        count_duplicate(connection, row);
        return Appended{*first, true};
      }
    }
    if (!insert_event(connection)) {
      return fail("conflict", "An event with that id is stored already.");
    }
    row = connection.last_row();
    if (!event.dedupe_key.empty()) claim_key(connection, row);
    for (const NewDelivery& delivery : new_.deliveries) insert_delivery(connection, row, delivery);
    return Appended{event.id, false};
  }

  void count_duplicate(sqlite::Connection& connection, std::int64_t row) {
    const sqlite::Use count(
        connection.prepared("INSERT INTO event_duplicate (event_row, hits, last_at) VALUES (?1, 1, ?2) "
                            "ON CONFLICT (event_row) DO UPDATE SET hits = hits + 1, last_at = ?2"));
    count->bind(1, row);
    count->bind(2, to_micros(log_.group_time()));
    count->step();
  }

  bool insert_event(sqlite::Connection& connection) {
    const Event& event = *new_.event;
    const sqlite::Use insert(connection.prepared(
        "INSERT INTO event (id, workspace_id, source_id, received_at, verified, type, dedupe_key, method, "
        "target, "
        "peer, headers, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"));
    insert->bind_blob(1, event.id.bytes());
    insert->bind_blob(2, event.workspace_id.bytes());
    insert->bind_blob(3, event.source_id.bytes());
    insert->bind(4, to_micros(event.received_at));
    insert->bind(5, event.verified ? 1 : 0);
    insert->bind_text(6, event.type);
    insert->bind_blob(7, event.dedupe_key);
    insert->bind_text(8, event.method);
    insert->bind_blob(9, event.target);
    insert->bind_text(10, event.peer);
    insert->bind_blob(11, headers_);
    insert->bind_blob(12, event.body);
    return insert->step_unless_constraint();
  }

  void claim_key(sqlite::Connection& connection, std::int64_t row) {
    const Time expires = log_.group_time() + std::min(new_.dedupe_window, log_.options_.dedupe_window_max);
    const sqlite::Use insert(
        connection.prepared("INSERT INTO dedupe (event_row, fingerprint, expires_at) VALUES (?1, ?2, ?3)"));
    insert->bind(1, row);
    insert->bind(2, static_cast<std::int64_t>(fingerprint_));
    insert->bind(3, to_micros(expires));
    insert->step();
    log_.dedupe_.add(fingerprint_, row, expires);
  }

  void insert_delivery(sqlite::Connection& connection, std::int64_t event_row, const NewDelivery& wanted) {
    const Admission admission = wanted.decided ? *wanted.decided : log_.ask_intake(wanted, *new_.event);
    const Event& event = *new_.event;
    const Time now = log_.group_time();
    const bool leased = admission.state == DeliveryState::leased;
    const sqlite::Use insert(connection.prepared(
        "INSERT INTO delivery (id, workspace_id, event_row, source_id, destination_id, "
        "state, reason, attempt_count, "
        "tries, lease, next_at, created_at, updated_at, payload, payload_headers, order_key) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, ?8, ?10, ?9, ?9, ?11, ?12, ?13)"));
    insert->bind_blob(1, wanted.id.bytes());
    insert->bind_blob(2, event.workspace_id.bytes());
    insert->bind(3, event_row);
    insert->bind_blob(4, event.source_id.bytes());
    insert->bind_blob(5, wanted.destination_id.bytes());
    insert->bind(6, rows::number(admission.state));
    insert->bind_text(7, admission.reason);
    insert->bind(8, leased ? 1 : 0);
    insert->bind(9, to_micros(now));
    insert->bind(10, to_micros(now + admission.wait));
    insert->bind(13, wanted.order_key);
    const std::string payload_headers =
        wanted.payload ? pack_headers(wanted.payload->headers) : std::string();
    bind_payload(*insert, wanted.payload.get(), payload_headers);
    insert->step();
    if (leased)
      log_.leased_.push_back(leased_by_append(new_.event, wanted, admission, connection.last_row(), now));
    else if (!is_terminal(admission.state))
      log_.wake_ = true;
  }

  /// `headers` must stay until the statement has run.
  static void bind_payload(sqlite::Statement& insert, const Payload* payload, const std::string& headers) {
    if (payload == nullptr) {
      insert.bind_null(11);
      return insert.bind_null(12);
    }
    insert.bind_blob(11, payload->body);
    insert.bind_blob(12, headers);
  }

  SqliteEventLog& log_;
  NewEvent new_;
  boost::asio::any_io_executor reply_on_;
  EventLog::AppendDone done_;
  std::string headers_;
  std::uint64_t fingerprint_ = 0;
  std::size_t bytes_ = 0;
  Result<Appended> outcome_;
};

void SqliteEventLog::append(NewEvent event, boost::asio::any_io_executor reply_on, AppendDone done) {
  auto task =
      std::make_unique<SqliteAppendTask>(*this, std::move(event), std::move(reply_on), std::move(done));
  if (!db_.ingest_allowed() && !db_.writer().failed()) {
    const Error low{"store_busy", "The disk is nearly full: no more events are taken until there is room."};
    return task->settle(&low);
  }
  db_.writer().submit(std::move(task));
}

}  // namespace postern::relay
