#pragma once
#include <cstddef>
#include <memory>

#include "base/id.hpp"

namespace postern::relay {

/// How much of large bodies a workspace may have on its way into the store. All workspaces share the store's
/// queue, which is bounded in bytes: one that sends many large bodies at once would fill it, and whoever came
/// next would wait for all of them. Safe from any thread.
class BodyShare {
 public:
  static constexpr std::size_t kMost = 64ULL << 20;   ///< a quarter of the queue's bound
  static constexpr std::size_t kSmall = 16ULL << 10;  ///< up to this nobody counts: many make few bytes

  /// What is held is given back when the last copy goes; it may outlive the share.
  struct Answer {
    bool allowed = true;
    std::shared_ptr<void> hold;  ///< null for a small one
  };

  BodyShare();
  /// One always fits, however large: it was bounded where it was read.
  Answer take(WorkspaceId workspace, std::size_t bytes);

 private:
  struct State;
  struct Hold;
  std::shared_ptr<State> state_;
};

}  // namespace postern::relay
