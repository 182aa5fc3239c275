#pragma once
#include <filesystem>
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
      : journal_(std::move(journal)), disk_(std::move(disk)), size_(size) {}
  /// Reads what is there, and cuts off a torn end. A file that is no journal is an error (`state_damaged`),
  /// and is left alone.
  static Result<std::unique_ptr<ResultKeeper>> open(const std::filesystem::path& path,
                                                    Journal::Limits limits);

  void keep(DeliveryId id, const Outcome& outcome);
  void forget(std::span<const tunnel::ResultAck> acks);
  std::optional<Outcome> answer_for(const tunnel::DeliverHead& head) const {
    return journal_.answer_for(head);
  }

  /// Its outcome, or that of a later attempt, is committed already.
  bool is_overtaken(const tunnel::DeliverHead& head) const { return acknowledged_.covers(head); }

  std::size_t entries() const { return journal_.entries(); }

 private:
  void append(std::string bytes);
  bool must_repair();

  Journal journal_;
  Acknowledged acknowledged_;
  std::unique_ptr<JournalDisk> disk_;
  std::size_t size_ = 0;        // of the file
  unsigned since_failure_ = 0;  // appended while the file is not complete
};

}  // namespace postern::agent
