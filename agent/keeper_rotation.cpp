#include "agent/keeper.hpp"
#include "base/log.hpp"

/// The keeper and changes of the agent's secret.
namespace postern::agent {

/// The relay asks once in a session, and this one may end with its process: the wish is left for the owner.
void Keeper::rotation_asked(std::size_t lane) {
  if (role_ == Role::owner) return rotate(lane);
  if (const auto left = parts_.state_dir.ask_rotation(); !left)
    log::warn("agent.state_not_saved", {{"error", left.error().message}});
}

/// Begins to change the secret, or goes on with it. The next one is on disk before the relay learns of it.
void Keeper::rotate(std::size_t lane) {
  if (role_ != Role::owner) return;
  if (identity_.next_secret.empty()) {
    identity_.next_secret = parts_.random.bytes(tunnel::kSecretSize);
    if (!save()) return identity_.next_secret.clear();
  }
  tunnel::RotateRequest request{identity_.key_epoch + 1, {}};
  request.verifiers =
      tunnel::derive_verifiers(tunnel::Identity::agent, identity_.agent_id.uuid, identity_.next_secret);
  lanes_[lane]->rotate(request);
}

/// The relay takes both from here on. The way to the new one is a new session, before the old one is left.
void Keeper::rotated(const tunnel::RotateAnswer& answer) {
  if (answer.refusal) {
    return log::warn("agent.rotation_refused",
                     {{"code", answer.refusal->code}, {"message", answer.refusal->message}});
  }
  // A session has proven it already, or it is of an earlier change.
  if (identity_.next_secret.empty() || answer.key_epoch != identity_.key_epoch + 1) return;
  if (role_ != Role::owner && role_ != Role::giving) return;
  identity_.next_known = true;
  if (!save()) {
    identity_.next_known = false;
    return;
  }
  parts_.state_dir.rotation_done();
  log::info("agent.secret_rotated", {{"agent", identity_.agent_id}, {"key_epoch", identity_.key_epoch + 1}});
  for (const auto& lane : lanes_) lane->move();
}

}  // namespace postern::agent
