#pragma once
#include <exception>

#include "base/log.hpp"
#include "relay/delivery/dispatcher_core.hpp"

namespace postern::relay {

/// The one place where the actor's faults end: a bug met by one delivery must not take the loop down.
template <class F>
void DispatcherCore::guarded(const char* task, F work) {
  try {
    work();
  } catch (const std::exception& e) {
    log::error("task.failed", {{"task", task}, {"error", e.what()}});
  }
}

}  // namespace postern::relay
