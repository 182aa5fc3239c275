#include "agent/result_keeper.hpp"

#include "base/log.hpp"

namespace postern::agent {

Result<std::unique_ptr<ResultKeeper>> ResultKeeper::open(const std::filesystem::path& path,
                                                         Journal::Limits limits) {
  std::string content;
  auto file = JournalFile::open(path, content);
  if (!file) return std::unexpected(file.error());
  Journal journal(limits);
  if (content.size() < kJournalMagic.size() && kJournalMagic.starts_with(content)) {
    (*file)->replace(std::string(kJournalMagic));
    return std::make_unique<ResultKeeper>(std::move(journal), std::move(*file), kJournalMagic.size());
  }
  const auto good = journal.load(content);
  if (!good) {
    return fail("state_damaged",
                fmt::format("{} is not a journal of this agent. Move it away; deliveries that "
                            "are under way just now may then reach their app twice.",
                            path.string()));
  }
  if (*good < content.size()) {
    log::warn("journal.torn", {{"file", path.string()}, {"lost_bytes", content.size() - *good}});
    (*file)->replace(journal.rewritten());
  }
  return std::make_unique<ResultKeeper>(std::move(journal), std::move(*file), *good);
}

void ResultKeeper::keep(DeliveryId id, const Outcome& outcome) {
  append(journal_.keep(id, outcome));
}

void ResultKeeper::forget(std::span<const tunnel::ResultAck> acks) {
  acknowledged_.add(acks);
  append(journal_.forget(acks));
}

void ResultKeeper::append(std::string bytes) {
  if (!disk_ || bytes.empty()) return;
  size_ += bytes.size();
  if (!journal_.worth_rewriting(size_) && !must_repair()) return disk_->append(std::move(bytes));
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
