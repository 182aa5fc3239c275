#pragma once
#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/clock.hpp"

namespace postern::agent {

/// Tells the service manager that started this process how it is doing, by the protocol of sd_notify(3): one
/// datagram a word. Without one, or when it does not take a word, nothing happens: it is never waited for.
class ServiceManager {
 public:
  /// `socket` is $NOTIFY_SOCKET: a path, or an abstract name after @; null or empty: there is no manager.
  explicit ServiceManager(const char* socket);

  bool is_there() const { return !socket_.empty(); }
  void ready();  ///< serving, or what reloading() began is over
  void reloading(SteadyTime now);
  void stopping();
  void succeeded_by(pid_t process);    ///< which is to be watched from now on
  void alive();                        ///< for its watchdog (WatchdogSec=)
  void status(std::string_view text);  ///< one line for people; told when it has changed

 private:
  void tell(const std::string& words) const;

  std::string socket_;
  std::string status_;
};

}  // namespace postern::agent
