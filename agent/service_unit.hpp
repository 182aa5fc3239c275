#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

/// What systemd is told of an agent that runs as a service. No I/O.
///
/// The service runs as a user that exists only while it does (DynamicUser=) and owns nothing but its state
/// directory, which systemd hands over at each start, whoever made it. So `join` is root's, and needs no user
/// to be made first; files that root writes there later keep the directory's owner (files.hpp).
///
/// No secret is in the unit or in a command line: the agent's own stands in the state directory, and what a
/// flag may hold (a proxy's password) in the file of variables, which only root reads.
namespace postern::agent {

/// The first line of whatever is written, by which it is known again.
inline constexpr std::string_view kWrittenByUs = "# Written by postern-agent service install.";

struct ServiceUnit {
  std::string name;     ///< without .service; its state directory is /var/lib/NAME
  std::string program;  ///< absolute path, without control characters
  std::string environment_file;
  std::vector<std::string> groups;  ///< it is a member of them, too: for the unix sockets of apps
};
std::string unit_text(const ServiceUnit& unit);

using Variables = std::vector<std::pair<std::string, std::string>>;
/// As EnvironmentFile= reads it.
std::string environment_text(const Variables& variables);
/// Back again, also after a person has changed it: values in double or single quotes or bare, one a line;
/// lines that begin with # or ; are comments. The last of one name counts. Error `invalid_environment` names
/// the line, and never repeats it, as it may hold a password.
Result<Variables> parse_environment(std::string_view text);
/// ServiceUnit::groups of a unit that unit_text() wrote.
std::vector<std::string> unit_groups(std::string_view text);

}  // namespace postern::agent
