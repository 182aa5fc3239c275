#include "agent/service_unit.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

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

/// One word of a command line, or one assignment, as systemd reads them: % begins a specifier, $ a variable.
std::string word(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '%' || c == '$') out += c;
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

}  // namespace

std::string unit_text(const ServiceUnit& unit) {
  const std::string groups =
      unit.groups.empty() ? "" : fmt::format("SupplementaryGroups={}\n", fmt::join(unit.groups, " "));
  return fmt::format(kUnit, fmt::arg("header", kWrittenByUs), fmt::arg("name", unit.name),
                     fmt::arg("state", "/var/lib/" + unit.name), fmt::arg("program", word(unit.program)),
                     fmt::arg("environment_file", rest_of_line(unit.environment_file)),
                     fmt::arg("groups", groups));
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

std::string environment_value(std::string_view text, std::string_view name) {
  const std::string begin = fmt::format("\n{}=\"", name);
  auto at = text.find(begin);
  if (at == std::string_view::npos) return {};
  std::string value;
  for (at += begin.size(); at < text.size() && text[at] != '"'; ++at) {
    if (text[at] == '\\' && at + 1 < text.size()) ++at;
    value += text[at];
  }
  return value;
}

}  // namespace postern::agent
