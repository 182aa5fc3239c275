#pragma once
#include <gtest/gtest.h>
#include <boost/asio/post.hpp>

#include <map>
#include <mutex>
#include <vector>

#include "relay/store/event_log.hpp"

namespace postern::relay {

/// An event log in memory that answers as it is told. Safe from any thread, as the real one.
class FakeEventLog final : public EventLog {
 public:
  enum class Mode { commit, busy, failed, silent };

  void append(NewEvent event, boost::asio::any_io_executor reply_on, AppendDone done) override {
    const std::lock_guard lock(mutex_);
    appended.push_back(event);
    if (mode == Mode::silent) {
      held_.push_back({std::move(event), std::move(reply_on), std::move(done)});
      return;
    }
    reply(reply_on, std::move(done), outcome(event));
  }

  /// Lets go of what was held back while silent: it is committed now.
  void answer_held() {
    const std::lock_guard lock(mutex_);
    for (auto& held : std::exchange(held_, {}))
      reply(held.reply_on, std::move(held.done), commit(held.event));
  }

  void complete(std::vector<Completion>, std::function<void(Result<std::size_t>)>) override { unexpected(); }
  void claim_due(Time, std::size_t, std::vector<DestinationId>, Claimed) override { unexpected(); }
  void claim_waiting(DestinationId, Time, std::size_t, Claimed) override { unexpected(); }
  void claim_heads(HeadsWanted, HeadsClaimed) override { unexpected(); }
  void next_due(Time, std::function<void(Result<std::optional<Time>>)>) override { unexpected(); }
  void backlog(std::function<void(Result<std::vector<Backlog>>)>) override { unexpected(); }
  Result<std::size_t> recover() override {
    unexpected();
    return 0U;
  }

  Mode mode = Mode::commit;
  std::vector<NewEvent> appended;

 private:
  struct Held {
    NewEvent event;
    boost::asio::any_io_executor reply_on;
    AppendDone done;
  };

  static void unexpected() { ADD_FAILURE() << "ingest only appends"; }
  static void reply(const boost::asio::any_io_executor& on, AppendDone done, Result<Appended> result) {
    boost::asio::post(on, [done = std::move(done), result = std::move(result)] { done(result); });
  }
  Result<Appended> outcome(const NewEvent& event) {
    if (mode == Mode::busy) return fail("store_busy", "the queue is full");
    if (mode == Mode::failed) return fail("store_failed", "disk I/O error");
    return commit(event);
  }
  Result<Appended> commit(const NewEvent& event) {
    const auto key = std::pair(event.event->source_id, event.event->dedupe_key);
    const auto [first, inserted] = first_.try_emplace(key, event.event->id);
    return Appended{first->second, !inserted};
  }

  std::mutex mutex_;
  std::vector<Held> held_;
  std::map<std::pair<SourceId, std::string>, EventId> first_;
};

}  // namespace postern::relay
