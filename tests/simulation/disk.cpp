#include "tests/simulation/disk.hpp"

namespace postern::simulation {

class SimulatedDisk::Writer final : public agent::JournalDisk {
 public:
  Writer(SimulatedDisk& disk, std::uint64_t process) : disk_(disk), process_(process) {}
  void append(std::string bytes) override { disk_.append(process_, std::move(bytes), false); }
  void replace(std::string file) override { disk_.append(process_, std::move(file), true); }

 private:
  SimulatedDisk& disk_;
  const std::uint64_t process_;
};

std::unique_ptr<agent::JournalDisk> SimulatedDisk::open() {
  return std::make_unique<Writer>(*this, process_);
}

void SimulatedDisk::append(std::uint64_t process, std::string bytes, bool replaces) {
  queue_.push_back({std::move(bytes), replaces});
  scheduler_.after(Duration(scheduler_.below(3000)), [this, process] { write(process); });
}

void SimulatedDisk::write(std::uint64_t process) {
  if (process != process_) return;
  for (Work& work : std::exchange(queue_, {})) {
    if (work.replaces) {
      written_ = std::move(work.bytes);
      synced_ = written_.size();
    } else {
      written_ += work.bytes;
    }
  }
  scheduler_.after(scheduler_.between(5, scheduler_.chance(5) ? 500 : 15),
                   [this, process, upto = written_.size()] {
                     if (process == process_) synced_ = std::max(synced_, std::min(upto, written_.size()));
                   });
}

/// Of what was not synced the end is missing, or blocks in its middle have never been written, or both.
void SimulatedDisk::tear() {
  if (scheduler_.chance(50)) written_.resize(synced_ + scheduler_.below(written_.size() - synced_ + 1));
  if (written_.size() == synced_ || scheduler_.chance(30)) return;
  const std::size_t from = synced_ + scheduler_.below(written_.size() - synced_);
  const std::size_t size = std::min<std::size_t>(512, written_.size() - from);
  written_.replace(from, size, size, '\0');
}

void SimulatedDisk::crash(Crash how) {
  ++process_;
  queue_.clear();
  if (how == Crash::power_lost) tear();
  synced_ = written_.size();
}

}  // namespace postern::simulation
