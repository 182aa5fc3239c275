#include "agent/sleep_watch.hpp"

#include <time.h>

namespace postern::agent {

Duration suspended_since_boot() {
  timespec boot{};
  timespec awake{};
  ::clock_gettime(CLOCK_BOOTTIME, &boot);
  ::clock_gettime(CLOCK_MONOTONIC, &awake);
  return std::chrono::seconds(boot.tv_sec - awake.tv_sec);
}

}  // namespace postern::agent
