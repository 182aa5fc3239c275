#include "relay/store/sqlite/writer.hpp"

#include <sqlite3.h>

#include "base/log.hpp"

namespace postern::relay {
namespace {

using Steady = std::chrono::steady_clock;
constexpr auto kHousekeeping = std::chrono::milliseconds(100);
constexpr int kPagesBetweenLooks = 256;  // of the log: a fast disk fills a good deal in a tenth of a second

Duration since(Steady::time_point start) {
  return std::chrono::duration_cast<Duration>(Steady::now() - start);
}

Error failed_error() {
  return Error{"store_failed", "The store is broken or closed; nothing more is accepted. The log says why."};
}
Error busy_error(std::string_view why) {
  return Error{"store_busy", std::string(why)};
}

}  // namespace

SqliteWriter::SqliteWriter(std::unique_ptr<sqlite::Connection> connection, std::filesystem::path directory,
                           WriterOptions options)
    : connection_(std::move(connection)),
      directory_(std::move(directory)),
      options_(std::move(options)),
      queue_(options_.queue),
      space_(options_.low_water) {
  watch_disk();
  thread_ = std::thread([this] { run(); });
}

SqliteWriter::~SqliteWriter() {
  stop();
}

void SqliteWriter::stop() {
  queue_.close();
  if (thread_.joinable()) thread_.join();
}

void SqliteWriter::submit(std::unique_ptr<WriteTask> task) {
  const auto offer = failed() ? WriteQueue::Offer::closed : queue_.offer(task);
  if (offer == WriteQueue::Offer::taken) return;
  const Error error = offer == WriteQueue::Offer::full
                          ? busy_error("The store's queue is full; try again shortly.")
                          : failed_error();
  task->settle(&error);
}

void SqliteWriter::run() {
  while (true) {
    const bool last = queue_.closed();
    auto group = queue_.take(last ? Duration::zero() : Duration(kHousekeeping));
    if (!group.empty())
      commit(std::move(group));
    else if (last)
      break;
    if (failed()) continue;
    const bool much_written = std::abs(connection_->log_pages() - pages_seen_) >= kPagesBetweenLooks;
    if (much_written || Steady::now() - disk_seen_ >= kHousekeeping) watch_disk();
    checkpoint_if_due();
  }
  if (!failed()) connection_->checkpoint_truncate();
}

/// False when another process holds the database: nothing was begun, and nothing is lost by asking again.
bool SqliteWriter::begin() {
  try {
    const sqlite::Use statement = connection_->use("BEGIN IMMEDIATE");
    statement->step();
    return true;
  } catch (const sqlite::Failure& failure) {
    if ((failure.code & 0xff) != SQLITE_BUSY) throw;
    log::warn("store.locked_by_other", {{"error", failure.what()}});
    return false;
  }
}

void SqliteWriter::commit(std::vector<std::unique_ptr<WriteTask>> group) {
  if (failed()) {
    const Error error = failed_error();
    return finish(group, &error);
  }
  try {
    if (!begin()) {
      const Error error = busy_error("Another program holds the database.");
      return finish(group, &error);
    }
    for (auto& task : group) task->run(*connection_);
    if (listener_) listener_->before_commit(*connection_);
    const auto start = Steady::now();
    {
      const sqlite::Use statement = connection_->use("COMMIT");
      statement->step();
    }
    const Duration took = since(start);
    commits_.fetch_add(1, std::memory_order_relaxed);
    tasks_.fetch_add(group.size(), std::memory_order_relaxed);
    commit_micros_.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
    log_pages_.store(connection_->log_pages(), std::memory_order_relaxed);
    if (options_.on_commit) options_.on_commit(group.size(), took);
  } catch (const std::exception& fault) {
    break_down(fault.what());
    const Error error = failed_error();
    return finish(group, &error);
  }
  finish(group, nullptr);
  if (listener_) listener_->after_commit();
}

void SqliteWriter::finish(std::vector<std::unique_ptr<WriteTask>>& group, const Error* error) {
  for (auto& task : group) task->settle(error);
  queue_.finished();
}

/// A failed write or sync may have left anything in the kernel's cache: no retry can make it good. The next
/// start recovers from what really is in the log.
void SqliteWriter::break_down(const std::string& why) {
  if (failed_.exchange(true, std::memory_order_acq_rel)) return;
  connection_->rollback();
  log::error("store.failed", {{"error", why}});
  if (options_.on_fatal) options_.on_fatal(why);
}

void SqliteWriter::watch_disk() {
  disk_seen_ = Steady::now();
  pages_seen_ = connection_->log_pages();
  const auto space = disk_space(directory_);
  if (!space || !space_.update(*space)) return;
  if (space_.open()) {
    log::info("store.space_regained", {{"free_bytes", space->free_bytes}});
  } else {
    log::error("store.space_low", {{"free_bytes", space->free_bytes}, {"effect", "ingest answers 503"}});
  }
}

void SqliteWriter::checkpoint_if_due() {
  const int pages = connection_->log_pages();
  const bool idle = queue_.depth() == 0;
  if (pages < options_.checkpoint.idle_pages || pages < checkpoint_floor_) return;
  if (!idle && pages < options_.checkpoint.busy_pages) return;
  const auto start = Steady::now();
  try {
    const auto done = connection_->checkpoint_passive();
    // All of the log is moved: the next commit starts it anew. A reader held some back: try when it has
    // grown.
    checkpoint_floor_ = done.moved_pages == done.log_pages ? 0 : pages + options_.checkpoint.idle_pages;
    if (done.moved_pages == done.log_pages) connection_->forget_log_pages();
  } catch (const std::exception& fault) {
    break_down(fault.what());
  }
  checkpoints_.fetch_add(1, std::memory_order_relaxed);
  checkpoint_micros_.fetch_add(static_cast<std::uint64_t>(since(start).count()), std::memory_order_relaxed);
}

StoreStats SqliteWriter::stats() const {
  StoreStats stats;
  stats.queue_depth = queue_.depth();
  stats.commits = commits_.load(std::memory_order_relaxed);
  stats.tasks = tasks_.load(std::memory_order_relaxed);
  stats.commit_micros = commit_micros_.load(std::memory_order_relaxed);
  stats.checkpoints = checkpoints_.load(std::memory_order_relaxed);
  stats.checkpoint_micros = checkpoint_micros_.load(std::memory_order_relaxed);
  stats.log_pages = log_pages_.load(std::memory_order_relaxed);
  stats.disk_free_bytes = space_.free_bytes();
  stats.ingest_allowed = ingest_allowed();
  stats.failed = failed();
  return stats;
}

}  // namespace postern::relay
