#pragma once
#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>

#include "relay/tunnel/hub_core.hpp"
#include "tunnel-proto/connection.hpp"

/// What a session asks the authority about the agent's own secret and state. Answers come on `executor`,
/// never from inside the call.
namespace postern::relay {

/// The verifiers that HELLO's `key_epoch` names: those of the next secret, or those in use. Epoch and keys in
/// the answer are what a right proof has proven.
AgentVerifier proven_with(AgentVerifier agent, std::uint32_t key_epoch);

/// What HELLO says, before any of it is proven; its generation is for whoever admits it.
AgentLogin login_of(const tunnel::Hello& hello, std::string peer);

/// Told after a right proof only.
tunnel::Refusal copied();

/// By a person, or because the secret in use is older than `rotate_after` (0: any age will do).
bool wants_rotation(const AgentVerifier& agent, Time now, Duration rotate_after);

/// `done` gets what to tell the agent, or nullopt when its next verifiers are stored.
void keep_next_secret(const boost::asio::any_io_executor& executor, std::shared_ptr<HubCore> core,
                      const AgentVerifier& proven, tunnel::RotateRequest request,
                      std::function<void(std::optional<tunnel::Refusal>)> done);

/// Writes the login down. What the store cannot write is logged, and `found` not called.
void record_login(const boost::asio::any_io_executor& executor, std::shared_ptr<HubCore> core,
                  AgentLogin login, std::function<void(LoginFindings)> found);

/// A copy was refused: the alarm without a login.
void record_copy(const boost::asio::any_io_executor& executor, std::shared_ptr<HubCore> core, AgentId agent,
                 std::string peer);

}  // namespace postern::relay
