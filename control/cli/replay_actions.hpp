#pragma once
#include <string>

#include "control/cli/actions.hpp"

namespace postern::control {

struct ReplayWish {
  std::string source{}, destination{}, type{}, reason{}, state{}, since{}, until{}, configuration{};
  unsigned rate = 0;  ///< 0: the relay's default
  bool dry_run = false;
};

Outcome<std::string> create_replay_command(ApiClient& api, const ReplayWish& wish, Form form);
Outcome<std::string> list_replays_command(ApiClient& api, std::size_t most, Form form);
Outcome<std::string> show_replay_command(ApiClient& api, const std::string& id, Form form);
Outcome<std::string> cancel_replay_command(ApiClient& api, const std::string& id, Form form);

/// One line of how far a replay has come: "  120 of 300 made, 98 delivered, 2 failed, 20 under way".
std::string progress_line(const boost::json::object& replay);
/// Whether it has come to its end, one way or another.
bool is_over(const boost::json::object& replay);

/// What `replays watch` prints: a line at each call that has something new, and the whole at the end.
class ReplayWatch {
 public:
  ReplayWatch(ApiClient& api, std::string id, Form form) : api_(api), id_(std::move(id)), form_(form) {}
  Outcome<std::string> next();
  bool over() const { return over_; }

 private:
  ApiClient& api_;
  const std::string id_;
  const Form form_;
  std::string last_;
  bool over_ = false;
};

}  // namespace postern::control
