#pragma once
#include <boost/json.hpp>

#include <span>
#include <string>

#include "control/api/fields.hpp"
#include "control/api/services.hpp"
#include "relay/model.hpp"

namespace postern::control {

inline constexpr Duration kEnrollmentLife = std::chrono::minutes(15);
inline constexpr std::size_t kAllowMost = 64;
inline constexpr std::size_t kAllowBytes = 300;

/// A join token and what the store keeps of it. The token is shown once and nowhere stored in clear.
struct NewEnrollment {
  relay::Enrollment enrollment;
  std::string join_token;
};
NewEnrollment new_enrollment(WorkspaceId workspace, AgentId agent, const ApiServices& services);

/// host:port each; they end up in a command that people paste into a shell.
void check_allow(Fields& fields, std::span<const std::string> allow);
/// {"join_token", "command", "expires_at"}
boost::json::object enrollment_view(const NewEnrollment& made, std::span<const std::string> allow);

}  // namespace postern::control
