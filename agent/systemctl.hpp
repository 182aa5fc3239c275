#pragma once
#include <string>
#include <vector>

#include "base/error.hpp"

namespace postern::agent {

/// The systemctl of this host, or what a test says it is. Waits for each command to end.
class Systemctl {
 public:
  /// Looked for in PATH when it has no slash.
  explicit Systemctl(std::string program) : program_(std::move(program)) {}

  /// Error `systemctl_failed`, with what it said; `no_systemctl` when it cannot be started.
  Result<std::string> run(const std::vector<std::string>& arguments) const;
  /// One word that it answers, such as "active", whatever its exit status says; empty when there is none.
  std::string ask(const std::vector<std::string>& arguments) const;

 private:
  struct Ended {
    int status = 0;
    std::string said;
  };
  Result<Ended> spawn(const std::vector<std::string>& arguments) const;

  std::string program_;
};

}  // namespace postern::agent
