#pragma once
#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>

#include "relay/tunnel/hub_core.hpp"
#include "tunnel-proto/connection.hpp"

/// The questions a session has for the authority that take time. Answers come on `executor`, never from
/// inside the call.
namespace postern::relay {

/// What the handshake checks a join token's proof against. An expired one is told so, after a right proof
/// only.
tunnel::Account to_account(const JoinVerifier& join, Time now);

void find_join(const boost::asio::any_io_executor& executor, std::shared_ptr<HubCore> core, JoinId join,
               std::function<void(std::optional<JoinVerifier>)> done);

/// Single use. `done` gets what to tell the agent, or nullopt when its verifiers are stored.
void claim_join(const boost::asio::any_io_executor& executor, std::shared_ptr<HubCore> core, JoinId join,
                tunnel::EnrollRequest request, std::function<void(std::optional<tunnel::Refusal>)> done);

}  // namespace postern::relay
