#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "agent/acknowledged.hpp"
#include "agent/journal.hpp"
#include "agent/journal_file.hpp"

namespace postern::agent {

/// A journal and its disk. One thread.
class ResultKeeper {
 public:
  /// `size`: how much of the file is good. Without a disk outcomes are kept in memory only.
  ResultKeeper(Journal journal, std::unique_ptr<JournalDisk> disk, std::size_t size)
      : journal_(std::move(journal)), since_heir_(journal_.limits()), disk_(std::move(disk)), size_(size) {}
  /// One that has taken over `path`. Errors as there.
  static Result<std::unique_ptr<ResultKeeper>> open(const std::filesystem::path& path,
                                                    Journal::Limits limits);
  /// Without a disk, before anything was kept: reads what is there, cuts off a torn end, and writes to it
  /// from now on. A file that is no journal is an error (`state_damaged`), and is left alone.
  Result<void> take_over(const std::filesystem::path& path);

  /// Another process of this agent, which has taken over the file.
  struct Heir {
    std::function<void(DeliveryId, const Outcome&)> ended;  ///< of every call, also what is not kept
    std::function<void(DeliveryId)> left;                   ///< a call that ended without an outcome
    std::function<void(std::span<const tunnel::ResultAck>)> acknowledged;
  };
  /// Waits until all that is kept is in the file, and writes what could not be written before. Error
  /// `journal_incomplete`: whoever reads the file does not know all of it.
  Result<void> settle();
  /// After settle(). The file is synced and closed when it returns; from now on `heir` is told instead of
  /// the disk.
  void hand_over(Heir heir);
  /// The heir is told no more. Before the loop ends that it is told by.
  void drop_heir() { heir_.reset(); }
  bool has_heir() const { return heir_.has_value(); }
  /// The heir is dead: what it has left in the file counts, with what it was told and may not have written.
  /// Error `io_failed`; then outcomes are kept in memory only.
  Result<void> take_back(const std::filesystem::path& path);

  void keep(DeliveryId id, const Outcome& outcome);
  void forget(std::span<const tunnel::ResultAck> acks);
  void left(DeliveryId id);  ///< a call of it ended without an outcome
  std::optional<Outcome> answer_for(const tunnel::DeliverHead& head) const {
    return journal_.answer_for(head);
  }

  /// Its outcome, or that of a later attempt, is committed already.
  bool is_overtaken(const tunnel::DeliverHead& head) const { return acknowledged_.covers(head); }

  /// What the relay has committed of late, for an heir.
  std::vector<tunnel::ResultAck> committed() const { return acknowledged_.latest(); }

  std::size_t entries() const { return journal_.entries(); }
  std::size_t bytes() const { return journal_.bytes(); }
  std::uint64_t evicted() const { return journal_.evicted(); }

 private:
  void append(std::string bytes);
  void rewrite();
  bool must_repair();

  Journal journal_;
  Journal since_heir_;  ///< what the heir was told
  Acknowledged acknowledged_;
  std::unique_ptr<JournalDisk> disk_;
  std::size_t size_ = 0;        // of the file
  unsigned since_failure_ = 0;  // appended while the file is not complete
  std::optional<Heir> heir_;
};

}  // namespace postern::agent
