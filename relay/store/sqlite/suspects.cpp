// SqliteEventLog::mark_started.
#include "base/log.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/sqlite/event_log.hpp"

namespace postern::relay {
namespace {

class MarkTask final : public WriteTask {
 public:
  using Done = std::function<void(Result<std::vector<std::uint64_t>>)>;
  MarkTask(std::vector<EventLog::Started> started, Done done)
      : started_(std::move(started)), done_(std::move(done)) {}

  Kind kind() const override { return Kind::other; }
  std::size_t bytes() const override { return 64 * started_.size(); }

  void run(sqlite::Connection& connection) override {
    for (const EventLog::Started& it : started_) {
      const auto token = LeaseToken::unpack(it.lease_token);
      const sqlite::Use update(
          connection.prepared("UPDATE delivery SET crashes = crashes + 1 WHERE row = ?1 AND state = 1 AND "
                              "lease = ?2 AND id = ?3"));
      update->bind(1, token.row);
      update->bind(2, token.lease);
      update->bind_blob(3, it.delivery_id.bytes());
      update->step();
      if (connection.changes() == 1) marked_.push_back(it.lease_token);
    }
  }

  void settle(const Error* error) override {
    try {
      if (error)
        done_(std::unexpected(*error));
      else
        done_(std::move(marked_));
    } catch (const std::exception& fault) {
      log::error("store.callback_failed", {{"error", fault.what()}});
    }
  }

 private:
  std::vector<EventLog::Started> started_;
  Done done_;
  std::vector<std::uint64_t> marked_;
};

}  // namespace

void SqliteEventLog::mark_started(std::vector<Started> started,
                                  std::function<void(Result<std::vector<std::uint64_t>>)> done) {
  db_.writer().submit(std::make_unique<MarkTask>(std::move(started), std::move(done)));
}

}  // namespace postern::relay
