#include "relay/overload/loop_lag.hpp"

#include <boost/asio/post.hpp>

namespace postern::relay {
namespace {

SteadyTime steady_now() {
  return std::chrono::time_point_cast<Duration>(std::chrono::steady_clock::now());
}

}  // namespace

LoopLag::LoopLag(std::span<boost::asio::io_context* const> loops) {
  for (auto* loop : loops) probes_.push_back({.loop = loop});
}

Duration LoopLag::look() {
  const SteadyTime now = steady_now();
  Duration longest{};
  for (Probe& probe : probes_) longest = std::max(longest, look_at(probe, now));
  return longest;
}

Duration LoopLag::look_at(Probe& probe, SteadyTime now) {
  if (probe.answer->asked.load(std::memory_order_acquire)) return now - probe.asked_at;
  const Duration last{probe.answer->micros.load(std::memory_order_relaxed)};
  probe.asked_at = now;
  probe.answer->asked.store(true, std::memory_order_release);
  boost::asio::post(*probe.loop, [answer = probe.answer, now] {
    answer->micros.store((steady_now() - now).count(), std::memory_order_relaxed);
    answer->asked.store(false, std::memory_order_release);
  });
  return last;
}

}  // namespace postern::relay
