#include "tunnel-proto/fair_queue.hpp"

#include <algorithm>

namespace postern::tunnel {

void FairQueue::push(Stream& stream) {
  Target& target = targets_.try_emplace(stream.target, stream.target).first->second;
  target.ready.push_back(stream);
  if (target.in_round.is_linked()) return;
  target.deficit = kQuantum;
  fresh_.push_back(target);
}

bool FairQueue::empty() const {
  // A stream that was destroyed has left its list by itself, so a target in a round may have none.
  const auto idle = [](const auto& entry) { return entry.second.ready.empty(); };
  return std::ranges::all_of(targets_, idle);
}

Stream* FairQueue::front() {
  Target* const target = whose_turn();
  return target == nullptr ? nullptr : &target->ready.front();
}

FairQueue::Target* FairQueue::whose_turn() {
  while (true) {
    const bool fresh = !fresh_.empty();
    Round& round = fresh ? fresh_ : old_;
    if (round.empty()) return nullptr;
    Target& target = round.front();
    if (target.ready.empty()) {
      rest(target, fresh);
    } else if (target.deficit > 0) {
      return &target;
    } else {
      target.deficit += kQuantum;
      round.pop_front();
      old_.push_back(target);
    }
  }
}

/// It has nothing to send. A fresh one still waits for its turn in the round, or it would be fresh again with
/// its next stream, and always be first.
void FairQueue::rest(Target& target, bool was_fresh) {
  target.in_round.unlink();
  if (was_fresh && !old_.empty()) {
    old_.push_back(target);
  } else {
    const std::uint64_t key = target.key;  // erase() must not read what it destroys
    targets_.erase(key);
  }
}

void FairQueue::sent(Stream& stream, std::size_t bytes, bool again) {
  Target& target = targets_.at(stream.target);
  target.deficit -= static_cast<std::int64_t>(bytes);
  stream.in_ready.unlink();
  if (again) target.ready.push_back(stream);
}

}  // namespace postern::tunnel
