#pragma once
#include <string>
#include <utility>
#include <vector>

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
  std::string program;  ///< absolute path
  std::string environment_file;
  std::vector<std::string> groups;  ///< it is a member of them, too: for the unix sockets of apps
};
std::string unit_text(const ServiceUnit& unit);

using Variables = std::vector<std::pair<std::string, std::string>>;
/// As EnvironmentFile= reads it.
std::string environment_text(const Variables& variables);
/// The value of one, from such a file; empty when it is not there. Only for what environment_text() wrote.
std::string environment_value(std::string_view text, std::string_view name);

}  // namespace postern::agent
