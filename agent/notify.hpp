#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace postern::agent {

/// Tells the service manager that started this process how it is doing, by the protocol of sd_notify(3): one
/// datagram a word. Without one, or when it does not take a word, nothing happens: it is not waited for, but
/// for succeeded_by().
class ServiceManager {
 public:
  /// `socket` is $NOTIFY_SOCKET: a path, or an abstract name after @; null or empty: there is no manager.
  explicit ServiceManager(const char* socket);

  bool is_there() const { return !socket_.empty(); }
  void ready();  ///< serving, or what reloading() began is over
  void reloading(SteadyTime now);
  void stopping();
  /// `process` is to be watched from now on. Waits a second for a manager that is behind: without this word
  /// it would take the end of this process for the end of the agent.
  void succeeded_by(pid_t process);
  void alive();                        ///< for its watchdog (WatchdogSec=)
  void status(std::string_view text);  ///< one line for people; told when it has changed

 private:
  void tell(const std::string& words, Duration patience = {}) const;

  std::string socket_;
  std::string status_;
};

}  // namespace postern::agent
