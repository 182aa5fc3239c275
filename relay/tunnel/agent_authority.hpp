#pragma once
#include <boost/asio/awaitable.hpp>

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/id.hpp"
#include "relay/store/repositories.hpp"

namespace postern::relay {

/// What the relay holds of an agent's secret: enough to check a proof, not enough to make one.
struct AgentVerifier {
  AgentId agent_id;
  WorkspaceId workspace_id;
  std::string stored_key;  ///< 32 bytes
  std::string server_key;  ///< 32 bytes
  std::uint64_t generation = 0;
  bool replicas = false;  ///< several processes may share this identity
  // The verifiers of the secret that is to follow; empty: none.
  std::string next_stored_key = {};
  std::string next_server_key = {};
  std::uint32_t key_epoch = 0;  ///< of stored_key
  Time keyed_at{};              ///< since when it is in use
  bool rotation_asked = false;  ///< by a person
  OnCopy on_copy = OnCopy::alert;
  std::optional<Time> copy_cleared_at = {};
};

/// The same of a join token that is out.
struct JoinVerifier {
  JoinId join_id;
  AgentId agent_id;
  WorkspaceId workspace_id;
  std::string stored_key;
  std::string server_key;
  Time expires_at;
};

/// An ENROLL that has arrived over a channel the join secret was proven on.
struct EnrollClaim {
  JoinId join_id;
  std::string digest;      ///< SHA-256 of the whole ENROLL: what makes two claims the same
  std::string stored_key;  ///< of the agent's own new secret
  std::string server_key;
  std::string facts_json;
};

/// Who may hold a session. Called on the loops of the sessions; safe from any of them.
class AgentAuthority {
 public:
  virtual ~AgentAuthority() = default;

  /// nullopt for an agent that does not exist, has not joined or is revoked: the caller shows no difference.
  /// Answers from memory, so that it takes no longer for one that exists.
  virtual std::optional<AgentVerifier> find_agent(AgentId agent) = 0;

  /// Error `not_found`, or the store's. One that has expired or is used up is still found: claim() decides.
  virtual boost::asio::awaitable<Result<JoinVerifier>> find_enrollment(JoinId join) = 0;

  /// Atomic and single use. The same claim again succeeds until it expires. Errors: `conflict` (used by
  /// another claim), `expired`, `not_found`, or the store's.
  virtual boost::asio::awaitable<Result<AgentId>> claim(EnrollClaim claim) = 0;

  /// The agent's access has just been withdrawn: anything kept aside that could still let it in goes.
  virtual void withdrawn(AgentId agent) { (void)agent; }

  /// Stores the verifiers of an agent's next secret, beside those in use. The same again succeeds. Errors:
  /// those of AgentRepository::set_next_secret(), or the store's.
  virtual boost::asio::awaitable<Result<void>> rotate(NextSecret next) = 0;

  /// Remembers a login. Losing one is harmless: the next one's number is higher still, and a next secret
  /// stays beside the one in use for longer.
  virtual boost::asio::awaitable<Result<LoginFindings>> logged_in(AgentLogin login) = 0;
  /// One that was proven and refused all the same, as `on_copy` wants it.
  virtual boost::asio::awaitable<Result<void>> copy_refused(AgentId agent, std::string peer) = 0;
};

}  // namespace postern::relay
