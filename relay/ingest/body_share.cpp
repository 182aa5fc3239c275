#include "relay/ingest/body_share.hpp"

#include <mutex>
#include <unordered_map>

namespace postern::relay {

/// As many entries as workspaces have large bodies under way.
struct BodyShare::State {
  bool take(WorkspaceId workspace, std::size_t bytes) {
    const std::lock_guard lock(mutex);
    std::size_t& held = of[workspace];
    if (held > 0 && held + bytes > kMost) return false;
    held += bytes;
    return true;
  }
  void give_back(WorkspaceId workspace, std::size_t bytes) {
    const std::lock_guard lock(mutex);
    const auto found = of.find(workspace);
    found->second -= bytes;
    if (found->second == 0) of.erase(found);
  }

  std::mutex mutex;
  std::unordered_map<WorkspaceId, std::size_t> of;
};

struct BodyShare::Hold {
  Hold(std::shared_ptr<State> from, WorkspaceId of, std::size_t size)
      : state(std::move(from)), workspace(of), bytes(size) {}
  ~Hold() { state->give_back(workspace, bytes); }
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;

  const std::shared_ptr<State> state;
  const WorkspaceId workspace;
  const std::size_t bytes;
};

BodyShare::BodyShare() : state_(std::make_shared<State>()) {}

BodyShare::Answer BodyShare::take(WorkspaceId workspace, std::size_t bytes) {
  if (bytes <= kSmall) return {};
  if (!state_->take(workspace, bytes)) return {.allowed = false, .hold = nullptr};
  return {.allowed = true, .hold = std::make_shared<Hold>(state_, workspace, bytes)};
}

}  // namespace postern::relay
