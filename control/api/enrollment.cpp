#include "control/api/enrollment.hpp"

#include "base/config.hpp"
#include "tunnel-proto/handshake.hpp"
#include "tunnel-proto/join_token.hpp"

namespace postern::control {
namespace {

constexpr std::size_t kSecretBytes = 32;

}  // namespace

NewEnrollment new_enrollment(WorkspaceId workspace, AgentId agent, const ApiServices& services) {
  const JoinId id = services.ids.of<JoinId>();
  const std::string secret = services.random.bytes(kSecretBytes);
  const auto verifiers = tunnel::derive_verifiers(tunnel::Identity::join, id.uuid, secret);
  const Time expires = std::chrono::floor<std::chrono::seconds>(services.clock.now() + kEnrollmentLife);
  const PublicAddresses& addresses = services.addresses;
  return {.enrollment = {.id = id,
                         .agent_id = agent,
                         .workspace_id = workspace,
                         .stored_key = verifiers.stored_key,
                         .server_key = verifiers.server_key,
                         .expires_at = expires,
                         .claim_digest = {}},
          .join_token = tunnel::encode_join_token({.host = addresses.tunnel_host,
                                                   .port = addresses.tunnel_port,
                                                   .join_id = id,
                                                   .join_secret = secret,
                                                   .pins = addresses.tunnel_pins,
                                                   .expires_at = expires})};
}

void check_allow(Fields& fields, std::span<const std::string> allow) {
  for (std::size_t i = 0; i < allow.size(); ++i) {
    if (!config::parse_address(allow[i])) fields.wrong(fmt::format("allow[{}]", i), "must be host:port.");
  }
}

boost::json::object enrollment_view(const NewEnrollment& made, std::span<const std::string> allow) {
  std::string command = "postern-agent join " + made.join_token;
  for (const std::string& target : allow) command += " --allow " + target;
  return {{"join_token", made.join_token},
          {"command", std::move(command)},
          {"expires_at", to_rfc3339(made.enrollment.expires_at)}};
}

}  // namespace postern::control
