#include "agent/serve_status.hpp"

#include <fmt/format.h>

namespace postern::agent {
namespace {

/// What `systemctl status` shows.
std::string in_a_line(const Status& status) {
  if (status.phase == Phase::connected)
    return fmt::format("connected to {} by {} sessions", status.relay, status.sessions_open);
  const std::string why = status.last_error ? ": " + status.last_error->message : std::string();
  return fmt::format("{}{}", to_text(status.phase), why);
}

}  // namespace

void fill_from(StatusBoard& board, StatusSources sources) {
  board.before_writing([sources](Status& status) {
    if (const auto keeper = sources.keeper.lock()) keeper->describe(status);
    const auto health = sources.health.lock();
    const auto forwarder = sources.forwarder.lock();
    if (health && forwarder) {
      status.apps.clear();
      for (const auto& app : health->apps()) {
        const std::string name = app_name(app.host, app.port);
        status.apps.push_back(
            {name, app.reachable, app.reason, forwarder->running_at(name), app.concurrency});
      }
    }
    status.journal = {sources.results.entries(), sources.results.bytes(), sources.results.evicted()};
    sources.manager.status(in_a_line(status));
    sources.manager.alive();
  });
}

}  // namespace postern::agent
