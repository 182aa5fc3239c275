#include "tests/simulation/virtual_time.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <ctime>

namespace postern::simulation {
namespace {

const Machine* machine = nullptr;
int timer = -1;  // of the reactor: an eventfd that is readable once it has been rung
std::optional<SteadyTime> due;
bool rings = false;

timespec to_timespec(Duration since_epoch) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  return {seconds.count(), std::chrono::nanoseconds(since_epoch - seconds).count()};
}

Duration to_duration(const timespec& time) {
  return std::chrono::seconds(time.tv_sec) + Duration(time.tv_nsec / 1000);
}

int make_timer() {
  due.reset();
  rings = false;
  timer = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return timer;
}

void set_timer(int flags, const timespec& wanted) {
  eventfd_t count = 0;
  if (std::exchange(rings, false)) eventfd_read(timer, &count);
  const bool at_once = (flags & TFD_TIMER_ABSTIME) != 0;  // so the reactor says that something is due
  due = machine->now() + (at_once ? Duration(0) : to_duration(wanted));
}

}  // namespace

LivesBy::LivesBy(const Machine& lived_by) {
  machine = &lived_by;
}

LivesBy::~LivesBy() {
  machine = nullptr;
}

std::optional<SteadyTime> reactor_timer_due() {
  return due;
}

void ring_reactor_timer() {
  due.reset();
  rings = true;
  eventfd_write(timer, 1);
}

}  // namespace postern::simulation

using namespace postern::simulation;

// In place of the C library's, for everything that is linked into this program.
extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  if (machine != nullptr && clock == CLOCK_MONOTONIC) {
    *out = to_timespec(machine->now().time_since_epoch());
    return 0;
  }
  if (machine != nullptr && clock == CLOCK_REALTIME) {
    *out = to_timespec(machine->wall().time_since_epoch());
    return 0;
  }
  return static_cast<int>(syscall(SYS_clock_gettime, clock, out));
}

int timerfd_create(clockid_t, int) noexcept {
  return make_timer();
}

int timerfd_settime(int, int flags, const itimerspec* wanted, itimerspec*) noexcept {
  set_timer(flags, wanted->it_value);
  return 0;
}

/// There are no sockets: nothing but that timer can be ready.
int epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  if (machine != nullptr && !rings) return 0;
  return static_cast<int>(syscall(SYS_epoll_wait, epoll, events, most, timeout));
}

}  // extern "C"
