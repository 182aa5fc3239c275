#pragma once
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "base/error.hpp"

namespace postern::agent {

/// Where a journal's bytes go. Nobody waits for it: an outcome is told to the relay meanwhile.
class JournalDisk {
 public:
  virtual ~JournalDisk() = default;
  virtual void append(std::string bytes) = 0;
  virtual void replace(std::string file) = 0;  ///< all of it, in one step
  /// False once something was left out; a replacement that succeeds makes it good.
  virtual bool complete() const { return true; }
  /// Waits until all that was given is written or left out; whether nothing was left out.
  virtual bool settle() { return complete(); }
};

/// A file of mode 0600 and a thread that writes it, in the order of the calls. Bytes are written at once, and
/// synced together with what comes within 5 ms. Lost to a process that is killed: what the thread had not yet
/// written (microseconds, unless a sync is under way); to a host that loses its power: those 5 ms. What
/// cannot be written is left out whole, and said once.
class JournalFile final : public JournalDisk {
 public:
  /// `content`: what is in the file; empty for a new one. Error `io_failed`.
  static Result<std::unique_ptr<JournalFile>> open(const std::filesystem::path& path, std::string& content);
  ~JournalFile() override;  ///< writes what is left, and syncs it

  void append(std::string bytes) override;
  void replace(std::string file) override;
  bool complete() const override { return complete_.load(); }
  bool settle() override;

 private:
  using Steady = std::chrono::steady_clock;
  struct Work {
    std::string file, appended;
    bool replaces = false;
    bool empty() const { return !replaces && appended.empty(); }
  };

  explicit JournalFile(std::filesystem::path path) : path_(std::move(path)) {}
  bool reopen();
  void run();
  bool wait(std::unique_lock<std::mutex>& lock);
  void write(Work work);
  bool write_whole(std::string_view bytes);
  void sync();
  void report(bool good);

  const std::filesystem::path path_;
  std::mutex mutex_;
  std::condition_variable wake_, settled_;
  Work next_;
  bool writing_ = false;
  bool stopping_ = false;
  std::thread thread_;

  // The thread's, once it runs.
  int fd_ = -1;
  std::int64_t size_ = 0;  // of whole records
  bool unsynced_ = false;
  Steady::time_point sync_at_;
  bool failing_ = false;
  std::atomic<bool> complete_{true};
};

}  // namespace postern::agent
