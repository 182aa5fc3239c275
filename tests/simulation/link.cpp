#include "tests/simulation/link.hpp"

namespace postern::simulation {
namespace {

/// 100 KB/s: a path that cannot carry a body before its deadline is nobody's bug.
std::size_t least_capacity(Duration latency) {
  return 1000 + static_cast<std::size_t>(100 * std::chrono::duration<double, std::milli>(latency).count());
}

}  // namespace

Link::Link(Scheduler& scheduler, std::weak_ptr<Endpoint> relay, std::weak_ptr<Endpoint> agent)
    : scheduler_(scheduler),
      ends_{std::move(relay), std::move(agent)},
      byte_by_byte_(scheduler.chance(5) ? scheduler.below(20'000) : 0),
      latency_(scheduler.between(0, scheduler.chance(20) ? 200 : 20)),
      capacity_(least_capacity(latency_) + scheduler.below(200'000)) {}

/// Byte by byte, without moving the rest each time.
std::string Link::Way::take(std::size_t most) {
  std::string some = bytes.substr(gone, most);
  gone += some.size();
  if (gone < bytes.size() / 2) return some;
  bytes.erase(0, std::exchange(gone, 0));
  return some;
}

std::size_t Link::send(End from, std::string_view bytes) {
  const auto way = static_cast<std::size_t>(from);
  if (cut_) return bytes.size();
  const std::size_t room = capacity_ - std::min(capacity_, under_way_[way].size());
  const std::size_t taken = std::min(room, bytes.size());
  under_way_[way].bytes.append(bytes.substr(0, taken));
  blocked_[way] = taken < bytes.size();
  if (under_way_[way].size() > 0 && !std::exchange(carrying_[way], true))
    scheduler_.after(latency_, [self = shared_from_this(), way] { self->carry(way); });
  return taken;
}

void Link::carry(std::size_t way) {
  carrying_[way] = false;
  if (cut_ || silent_[way]) return;
  const bool slow = byte_by_byte_ > 0;
  const std::string some = under_way_[way].take(1 + scheduler_.below(slow ? 3 : 70'000));
  byte_by_byte_ -= std::min(byte_by_byte_, some.size());
  if (under_way_[way].size() > 0) {
    carrying_[way] = true;
    const Duration wait = slow ? Duration(50) : scheduler_.between(0, 3);
    scheduler_.after(wait, [self = shared_from_this(), way] { self->carry(way); });
  }
  if (const auto to = ends_[1 - way].lock()) to->received(some);
  if (!std::exchange(blocked_[way], false)) return;
  if (const auto from = ends_[way].lock()) from->writable();
}

void Link::cut() {
  if (std::exchange(cut_, true)) return;
  for (std::size_t end : {0U, 1U})
    scheduler_.after(scheduler_.between(0, 500), [self = shared_from_this(), end] { self->tell_gone(end); });
}

void Link::close(End end) {
  const auto other = 1 - static_cast<std::size_t>(end);
  ends_[1 - other].reset();
  // What was sent before the end still arrives, if the network lets it.
  scheduler_.after(scheduler_.between(0, 300), [self = shared_from_this(), other] {
    if (!self->silent_[1 - other]) self->tell_gone(other);
  });
}

void Link::tell_gone(std::size_t end) {
  cut_ = true;
  if (const auto told = ends_[end].lock()) told->gone();
}

}  // namespace postern::simulation
