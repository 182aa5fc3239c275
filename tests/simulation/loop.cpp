#include "tests/simulation/loop.hpp"

#include "tests/simulation/virtual_time.hpp"

namespace postern::simulation {

void Loop::poll() {
  if (!machine_.awake()) return;
  context_.poll();
  follow_timer();
}

void Loop::follow_timer() {
  const auto due = reactor_timer_due();
  if (!due || (armed_ && *armed_ <= *due)) return;
  armed_ = due;
  machine_.after(std::max(Duration(0), *due - machine_.now()), [weak = weak_from_this(), at = *due] {
    const auto self = weak.lock();
    if (!self || self->armed_ != at) return;
    self->armed_.reset();
    const auto wanted = reactor_timer_due();
    if (wanted && *wanted <= self->machine_.now()) ring_reactor_timer();
    self->poll();
  });
}

}  // namespace postern::simulation
