#include "relay/destinations/slack_pacer.hpp"

#include <algorithm>

namespace postern::relay {

SlackPacer::Lane& SlackPacer::lane(std::string_view url, SteadyTime now) {
  if (lanes_.size() >=
      sweep_at_) {  // lanes at rest say nothing; what is left is bounded by what was sent lately
    std::erase_if(lanes_, [now](const auto& entry) {
      return entry.second.next_slot <= now && entry.second.next_come_back <= now;
    });
    sweep_at_ = std::max<std::size_t>(1024, lanes_.size() * 2);
  }
  return lanes_.try_emplace(std::string(url), Lane{now, now, now}).first->second;
}

std::variant<SlackPacer::Slot, SlackPacer::ComeBack> SlackPacer::reserve(std::string_view url, SteadyTime now,
                                                                         Duration patience) {
  const std::lock_guard lock(mutex_);
  Lane& own = lane(url, now);
  const SteadyTime slot = std::max(own.next_slot, now);
  if (slot - now <= patience) {
    own.next_slot = slot + spacing_;
    return Slot{slot - now};
  }
  own.next_come_back = std::max(own.next_come_back, slot - patience) + spacing_;
  return ComeBack{own.next_come_back - now};
}

void SlackPacer::hold(std::string_view url, SteadyTime now, Duration pause) {
  const std::lock_guard lock(mutex_);
  Lane& own = lane(url, now);
  own.held_until = std::max(own.held_until, now + pause);
  own.next_slot = std::max(own.next_slot, own.held_until);
}

Duration SlackPacer::held(std::string_view url, SteadyTime now) {
  const std::lock_guard lock(mutex_);
  const auto found = lanes_.find(std::string(url));
  return found == lanes_.end() ? Duration::zero()
                               : std::max(found->second.held_until - now, Duration::zero());
}

std::size_t SlackPacer::urls() {
  const std::lock_guard lock(mutex_);
  return lanes_.size();
}

}  // namespace postern::relay
