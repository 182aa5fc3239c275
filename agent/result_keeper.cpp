#include "agent/result_keeper.hpp"

#include "base/log.hpp"

namespace postern::agent {

Result<std::unique_ptr<ResultKeeper>> ResultKeeper::open(const std::filesystem::path& path,
                                                         Journal::Limits limits) {
  auto keeper = std::make_unique<ResultKeeper>(Journal(limits), nullptr, 0);
  if (auto taken = keeper->take_over(path); !taken) return std::unexpected(taken.error());
  return keeper;
}

Result<void> ResultKeeper::take_over(const std::filesystem::path& path) {
  std::string content;
  auto file = JournalFile::open(path, content);
  if (!file) return std::unexpected(file.error());
  if (content.size() < kJournalMagic.size() && kJournalMagic.starts_with(content)) {
    (*file)->replace(std::string(kJournalMagic));
    disk_ = std::move(*file);
    size_ = kJournalMagic.size();
    return {};
  }
  const auto good = journal_.load(content);
  if (!good) {
    return fail("state_damaged",
                fmt::format("{} is not a journal of this agent. Move it away; deliveries that "
                            "are under way just now may then reach their app twice.",
                            path.string()));
  }
  if (*good < content.size()) {
    log::warn("journal.torn", {{"file", path.string()}, {"lost_bytes", content.size() - *good}});
    (*file)->replace(journal_.rewritten());
  }
  disk_ = std::move(*file);
  size_ = *good;
  return {};
}

Result<void> ResultKeeper::settle() {
  if (disk_ && disk_->settle()) return {};
  if (disk_) {
    rewrite();
    if (disk_->settle()) return {};
  }
  return fail("journal_incomplete",
              "The journal cannot be written, so the new program would call apps again for what this one "
              "knows. Make room on the disk of the state directory, then try again.");
}

void ResultKeeper::hand_over(Heir heir) {
  disk_.reset();
  since_heir_ = Journal(journal_.limits());
  heir_ = std::move(heir);
}

Result<void> ResultKeeper::take_back(const std::filesystem::path& path) {
  heir_.reset();
  std::string content;
  auto file = JournalFile::open(path, content);
  if (!file) return std::unexpected(file.error());
  Journal left(journal_.limits());
  if (left.load(content)) {
    left.add(since_heir_);
    left.forget(acknowledged_.latest());
    journal_ = std::move(left);
  }
  disk_ = std::move(*file);
  rewrite();
  return {};
}

void ResultKeeper::keep(DeliveryId id, const Outcome& outcome) {
  append(journal_.keep(id, outcome));
  if (!heir_) return;
  since_heir_.keep(id, outcome);
  heir_->ended(id, outcome);
}

void ResultKeeper::forget(std::span<const tunnel::ResultAck> acks) {
  acknowledged_.add(acks);
  append(journal_.forget(acks));
  if (!heir_) return;
  since_heir_.forget(acks);
  heir_->acknowledged(acks);
}

void ResultKeeper::left(DeliveryId id) {
  if (heir_) heir_->left(id);
}

void ResultKeeper::append(std::string bytes) {
  if (!disk_ || bytes.empty()) return;
  size_ += bytes.size();
  if (!journal_.worth_rewriting(size_) && !must_repair()) return disk_->append(std::move(bytes));
  rewrite();
}

void ResultKeeper::rewrite() {
  std::string file = journal_.rewritten();
  size_ = file.size();
  disk_->replace(std::move(file));
}

/// What could not be written is written with the rest, as soon as that works; not with each record, since it
/// is all of the file.
bool ResultKeeper::must_repair() {
  constexpr unsigned kEvery = 64;
  if (disk_->complete()) {
    since_failure_ = 0;
    return false;
  }
  return since_failure_++ % kEvery == kEvery - 1;
}

}  // namespace postern::agent
