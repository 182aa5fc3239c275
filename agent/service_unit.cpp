#include "agent/service_unit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <sstream>

namespace postern::agent {
namespace {

// The drain of a stopping agent (30 s) and its end must fit in TimeoutStopSec; the status tick (5 s) many
// times in WatchdogSec. 2 is a mistake in a flag, 3 an agent that was revoked: starting again helps neither.
constexpr std::string_view kUnit = R"({header}
# What it may reach and how much it takes stands in {state}/agent.toml, which is read again when it changes.
# For a change of this unit: systemctl edit {name}

[Unit]
Description=Postern agent ({name}): brings webhooks to apps of this host
Wants=network-online.target
After=network-online.target nss-lookup.target
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={program} run
ExecReload=/bin/kill -HUP $MAINPID
Environment=POSTERN_AGENT_STATE_DIR={state}
EnvironmentFile={environment_file}
Restart=always
RestartSec=5s
RestartPreventExitStatus=2 3
TimeoutStopSec=45s
WatchdogSec=60s

DynamicUser=yes
StateDirectory={name}
StateDirectoryMode=0700
UMask=0077
{groups}
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateUsers=yes
DevicePolicy=closed
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RemoveIPC=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
KeyringMode=private
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
LimitCORE=0
LimitNOFILE=8192

[Install]
WantedBy=multi-user.target
)";

/// The program of a command line, as systemd reads it: % begins a specifier, but $ no variable, as it does in
/// the words that follow.
std::string program_word(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '%') out += c;
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

/// Of a setting that takes the rest of its line.
std::string rest_of_line(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '%' ? std::string("%%") : std::string(1, c);
  return out;
}

constexpr std::string_view kEscaped = "\"\\`$";

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  return text.substr(0, text.find_last_not_of(kBlank) + 1);
}

/// nullopt: a quote that does not end, or something behind its end.
std::optional<std::string> unquoted(std::string_view text) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) return std::string(text);
  const char quote = text.front();
  std::string value;
  for (std::size_t at = 1; at < text.size(); ++at) {
    if (text[at] == quote) return at + 1 == text.size() ? std::optional(value) : std::nullopt;
    if (quote == '"' && text[at] == '\\' && at + 1 < text.size() && kEscaped.contains(text[at + 1])) ++at;
    value += text[at];
  }
  return std::nullopt;
}

}  // namespace

std::string unit_text(const ServiceUnit& unit) {
  const std::string groups =
      unit.groups.empty() ? "" : fmt::format("SupplementaryGroups={}\n", fmt::join(unit.groups, " "));
  return fmt::format(
      kUnit, fmt::arg("header", kWrittenByUs), fmt::arg("name", unit.name),
      fmt::arg("state", "/var/lib/" + unit.name), fmt::arg("program", program_word(unit.program)),
      fmt::arg("environment_file", rest_of_line(unit.environment_file)), fmt::arg("groups", groups));
}

std::string environment_text(const Variables& variables) {
  std::string out = std::string(kWrittenByUs) + "\n";
  for (const auto& [name, value] : variables) {
    out += name + "=\"";
    for (const char c : value) {
      if (kEscaped.contains(c)) out += '\\';
      out += c;
    }
    out += "\"\n";
  }
  return out;
}

Result<Variables> parse_environment(std::string_view text) {
  Variables out;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const auto end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    const auto equals = line.find('=');
    auto value = equals == std::string_view::npos ? std::nullopt : unquoted(trimmed(line.substr(equals + 1)));
    const std::string name(trimmed(line.substr(0, std::min(equals, line.size()))));
    if (name.empty() || !value)
      return fail("invalid_environment",
                  fmt::format("line {} is no NAME=\"VALUE\". Correct it, or remove the line.", number));
    std::erase_if(out, [&](const auto& earlier) { return earlier.first == name; });
    out.emplace_back(name, std::move(*value));
  }
  return out;
}

std::vector<std::string> unit_groups(std::string_view text) {
  constexpr std::string_view kBegin = "\nSupplementaryGroups=";
  std::vector<std::string> out;
  const auto begin = text.find(kBegin);
  if (begin == std::string_view::npos) return out;
  text.remove_prefix(begin + kBegin.size());
  std::istringstream words{std::string(text.substr(0, text.find('\n')))};
  for (std::string word; words >> word;) out.push_back(word);
  return out;
}

}  // namespace postern::agent
