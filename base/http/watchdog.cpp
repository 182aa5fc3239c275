#include "base/http/watchdog.hpp"

namespace postern::http {

SteadyTime steady_now() {
  return std::chrono::floor<Duration>(std::chrono::steady_clock::now());
}

Watched::~Watched() {
  if (dog_) dog_->remove(*this);
}

void Watchdog::add(Watched& watched) {
  watched.dog_ = shared_from_this();
  watched.next_ = first_;
  if (first_) first_->previous_ = &watched;
  first_ = &watched;
  ++count_;
}

void Watchdog::remove(Watched& watched) {
  if (watched.previous_)
    watched.previous_->next_ = watched.next_;
  else
    first_ = watched.next_;
  if (watched.next_) watched.next_->previous_ = watched.previous_;
  --count_;
}

void Watchdog::set(Watched& watched, SteadyTime deadline) {
  watched.deadline_ = deadline;
  if (deadline < armed_) arm(deadline);
}

void Watchdog::arm(SteadyTime at) {
  if (!timer_) return;
  armed_ = at;
  timer_->expires_at(at);
  timer_->async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (self && !error) self->sweep();
  });
}

void Watchdog::sweep() {
  const SteadyTime now = steady_now();
  armed_ = never;
  SteadyTime earliest = never;
  for (Watched* watched = first_; watched; watched = watched->next_) {
    if (watched->deadline_ <= now) {
      watched->deadline_ = never;
      watched->expired(now);
    }
    earliest = std::min(earliest, watched->deadline_);
  }
  // Looking at ten thousand connections must not become all that this loop does.
  const Duration least_gap = std::chrono::milliseconds(2 + count_ / 100);
  if (earliest != never && earliest < armed_) arm(std::max(earliest, now + least_gap));
}

}  // namespace postern::http
