// PostgresEventLog::append: groups of events, from the queue to the answers.
#include <algorithm>
#include <thread>

#include "base/log.hpp"
#include "relay/store/commit_order.hpp"
#include "relay/store/dedupe_key.hpp"
#include "relay/store/packing.hpp"
#include "relay/store/postgres/append_group.hpp"
#include "relay/store/postgres/event_log.hpp"

namespace postern::relay {
namespace {

constexpr int kTries = 5;

std::string key_of(const Event& event) {
  if (event.dedupe_key.empty()) return {};
  return dedupe_digest(event.workspace_id.bytes(), event.source_id.bytes(), event.dedupe_key);
}

Error away(const pg::Failure& failure) {
  return {"store_busy", fmt::format("PostgreSQL cannot be reached ({}); try again shortly.", failure.what())};
}

}  // namespace

void PostgresEventLog::append(NewEvent event, boost::asio::any_io_executor reply_on, AppendDone done) {
  AppendTask task;
  task.event = std::move(event);
  task.reply_on = std::move(reply_on);
  task.done = std::move(done);
  const Event& it = *task.event.event;
  pack_headers(it.headers, task.headers);
  task.key = key_of(it);
  task.bytes = sizeof task + sizeof it + it.body.size() + 2 * task.headers.size() + it.target.size() + 512;
  for (const NewDelivery& delivery : task.event.deliveries) {
    if (delivery.payload) task.bytes += delivery.payload->body.size();
  }
  const auto offer = appends_.offer(task);
  if (offer == AppendQueue::Offer::taken) return;
  const Error error = offer == AppendQueue::Offer::full
                          ? Error{"store_busy", "The store's queue is full; try again shortly."}
                          : Error{"store_failed", "The store is closed."};
  refuse({&task, 1}, error);
}

void PostgresEventLog::refuse(std::span<AppendTask> tasks, const Error& error) {
  std::vector<AppendReply> replies;
  for (AppendTask& task : tasks) {
    if (task.done)
      replies.push_back({std::move(task.reply_on), std::move(task.done), std::unexpected(error)});
  }
  post_replies(std::move(replies));
}

void PostgresEventLog::write_appends() {
  pg::Link link(options_.hot_connection("append", pg::Options::Plan::by_index), abandon_);
  RowNumbers numbers;
  while (true) {
    AppendQueue::Group group = appends_.take();
    if (group.tasks.empty()) return;
    append_group(link, numbers, group.tasks);
    appends_.finished(group.number);
  }
}

/// One that the server refuses for what is in it must not take the others along: a group that fails is halved
/// until the one is found.
void PostgresEventLog::append_group(pg::Link& link, RowNumbers& numbers, std::span<AppendTask> tasks) {
  for (int attempt = 1;; ++attempt) {
    AppendGroup group(tasks, intake(), leases_);
    try {
      link.with([&](pg::Connection& connection) {
        const Time now = clock_.now();
        partitions_.ensure(connection, Partitions::day_of(now));
        partitions_.ensure(connection, Partitions::day_of(now - std::chrono::minutes(5)));
        if (acknowledge_before_commit()) answer_early(tasks);
        group.write(connection, numbers, now);
      });
      return settle_append(group, tasks);
    } catch (const pg::Failure& failure) {
      if (failure.lost() && group.was_committing())
        doubtful_.add(link.backend(), group.leased_under(), group.leased_rows());
      group.withdraw();
      if (failure.lost()) return refuse(tasks, away(failure));
      if (failure.partition_missing()) partitions_.forget();
      if ((failure.collision() || failure.partition_missing()) && attempt < kTries) continue;
      if (failure.server_trouble()) return refuse(tasks, away(failure));
      log::error("store.append_failed", {{"events", tasks.size()}, {"error", failure.what()}});
      if (tasks.size() == 1)
        return refuse(tasks, {"store_busy", "The store did not take the event; see the log."});
    } catch (const std::exception& fault) {
      group.withdraw();
      log::error("store.append_failed", {{"events", tasks.size()}, {"error", fault.what()}});
      return refuse(tasks, {"store_busy", "The store did not take the event; see the log."});
    }
    append_group(link, numbers, tasks.first(tasks.size() / 2));
    return append_group(link, numbers, tasks.subspan(tasks.size() / 2));
  }
}

void PostgresEventLog::settle_append(AppendGroup& group, std::span<AppendTask> tasks) {
  std::vector<AppendReply> replies;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    Result<Appended>& outcome = group.outcomes()[i];
    if (outcome) (outcome->duplicate ? duplicates_ : events_).fetch_add(1, std::memory_order_relaxed);
    if (tasks[i].done)
      replies.push_back({std::move(tasks[i].reply_on), std::move(tasks[i].done), std::move(outcome)});
  }
  commits_.fetch_add(1, std::memory_order_relaxed);
  try {
    auto leased = group.take_leased();
    if (intake() && !leased.empty()) intake()->handed_over(std::move(leased));
    if (intake() && group.some_not_leased()) intake()->wake();
  } catch (const std::exception& fault) {
    log::error("store.intake_failed", {{"error", fault.what()}});
  }
  if (!group.parked_for().empty()) announce(std::move(group.parked_for()));
  post_replies(std::move(replies));
}

/// Only in the kill test's negative control: answers what is not committed yet, and leaves time to be caught.
void PostgresEventLog::answer_early(std::span<AppendTask> tasks) {
  std::vector<AppendReply> replies;
  for (AppendTask& task : tasks) {
    if (task.done)
      replies.push_back(
          {std::move(task.reply_on), std::exchange(task.done, {}), Appended{task.event.event->id, false}});
  }
  post_replies(std::move(replies));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
}

}  // namespace postern::relay
