#pragma once
#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/http/message.hpp"

namespace postern::control {

/// Whether this node should be sent traffic. Checks are added before serving starts; the rest is safe from
/// any thread.
///  - live: the process answers. Never depends on anything: a restart would not mend a full disk.
///  - ready: every check passes and the node is not draining.
class Health {
 public:
  /// `check` answers from memory. Its Error's message is shown to anyone who can reach the admin listener.
  void add(std::string name, std::function<Result<void>()> check);
  void set_serving() { serving_ = true; }
  void set_draining() { draining_ = true; }

  bool ready() const;
  http::Response live_response() const;
  /// 200 or 503, with every check by name: {"status":"ok"|"unavailable","checks":{"store":{"ok":true}, …}}
  http::Response ready_response() const;

 private:
  Result<void> phase() const;

  struct Check {
    std::string name;
    std::function<Result<void>()> run;
  };
  std::vector<Check> checks_;
  std::atomic<bool> serving_{false};
  std::atomic<bool> draining_{false};
};

}  // namespace postern::control
