#include "control/descriptors.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "base/log.hpp"

namespace postern::control {

std::size_t affordable(std::size_t wanted, std::size_t open_files, std::size_t divisor) {
  return std::min(wanted, std::max<std::size_t>(open_files / divisor, 1));
}

std::size_t affordable_here(std::string_view listener, std::size_t wanted, std::size_t divisor) {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0) return wanted;
  const std::size_t most = affordable(wanted, files.rlim_cur, divisor);
  if (most < wanted) {
    log::warn("serve.connections_limited",
              {{"listener", listener},
               {"max_connections", wanted},
               {"allowed", most},
               {"detail", "the limit of open files (ulimit -n) leaves no more"}});
  }
  return most;
}

}  // namespace postern::control
