#include "agent/upgrade.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <thread>

namespace postern::agent {
namespace {

namespace json = boost::json;

/// Longer than a predecessor takes to give it up.
constexpr Duration kPatience = std::chrono::seconds(45);
constexpr Duration kLook = std::chrono::milliseconds(50);

/// What the status file says, of whichever process wrote it last.
struct Seen {
  pid_t pid = 0;
  std::string version;
  bool can = false;       ///< a process that wrote this can be asked
  std::string failed_at;  ///< empty: never
  std::string why;
};

std::string text_in(const json::value* value) {
  return value && value->is_string() ? std::string(value->as_string()) : std::string();
}

Seen look(const StateDir& state_dir) {
  const auto content = read_file(state_dir.status_file());
  if (!content || !*content) return {};
  json::error_code ec;
  const json::value parsed = json::parse(**content, ec);
  if (ec || !parsed.is_object()) return {};
  const json::object& status = parsed.as_object();
  Seen seen;
  if (const auto* pid = status.if_contains("pid"); pid && pid->is_int64())
    seen.pid = static_cast<pid_t>(pid->as_int64());
  seen.version = text_in(status.if_contains("version"));
  const json::value* failed = status.if_contains("failed_upgrade");
  seen.can = failed != nullptr;
  if (!failed || !failed->is_object()) return seen;
  seen.failed_at = text_in(failed->as_object().if_contains("at"));
  if (const auto* error = failed->as_object().if_contains("error"); error && error->is_object())
    seen.why = text_in(error->as_object().if_contains("message"));
  return seen;
}

std::optional<pid_t> holder(const StateDir& state_dir) {
  const auto text = state_dir.running();
  if (!text) return std::nullopt;
  pid_t pid = 0;
  std::from_chars(text->data(), text->data() + text->size(), pid);
  return pid;
}

/// One line of /proc/PID/status, without its name.
std::string status_line(std::string_view status, std::string_view name) {
  const auto at = status.find(fmt::format("\n{}:\t", name));
  if (at == std::string_view::npos) return {};
  const auto begin = at + name.size() + 3;
  return std::string(status.substr(begin, status.find('\n', begin) - begin));
}

bool catches(std::string_view mask, int signal) {
  std::uint64_t caught = 0;
  std::from_chars(mask.data(), mask.data() + mask.size(), caught, 16);
  return (caught >> (signal - 1) & 1U) != 0;
}

/// Whether it is a process of the directory's owner that listens to SIGUSR2: others would be ended by it.
Result<void> may_be_asked(pid_t pid, const StateDir& state_dir) {
  struct stat directory{};
  if (::stat(state_dir.path().c_str(), &directory) != 0) return io_error("look at", state_dir.path());
  const auto status = read_file(fmt::format("/proc/{}/status", pid));
  if (!status || !*status) return fail("not_running", fmt::format("Process {} is gone.", pid));
  std::istringstream uids(status_line(**status, "Uid"));
  uid_t real = 0, effective = 0;
  if (!(uids >> real >> effective) || effective != directory.st_uid ||
      !catches(status_line(**status, "SigCgt"), SIGUSR2))
    return fail(
        "not_permitted",
        fmt::format("Process {}, which {} names, is not an agent of the directory's owner: it is left "
                    "alone. Send SIGUSR2 to the agent yourself.",
                    pid, state_dir.lock_file().string()));
  return {};
}

/// By a descriptor, so that what was looked at is what is signalled.
Result<void> ask(pid_t pid, const StateDir& state_dir) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  auto asked = process < 0 ? Result<void>(fail("not_running", "")) : may_be_asked(pid, state_dir);
  const bool sent = asked && ::syscall(SYS_pidfd_send_signal, process, SIGUSR2, nullptr, 0) == 0;
  const int number = errno;
  if (process >= 0) ::close(process);
  if (sent) return {};
  if (process >= 0 && !asked) return asked;
  return fail("not_permitted",
              fmt::format("Process {} cannot be asked: {}. Run this as its user, or as root.", pid,
                          std::strerror(number)));
}

/// A shell with job control makes each command a group of processes in the session of its terminal, and goes
/// on when one of them ends. The first process of a container is no such shell.
bool is_job_of_a_terminal() {
  const pid_t session = ::getsid(0);
  const int terminal = ::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
  if (terminal >= 0) ::close(terminal);
  return terminal >= 0 && session > 1 && session != ::getpid() && ::getpgrp() == ::getpid();
}

Result<std::string> wait_for_outcome(const StateDir& state_dir, const Clock& clock, const Seen& before) {
  const SteadyTime until = clock.steady() + kPatience;
  while (clock.steady() < until) {
    std::this_thread::sleep_for(kLook);
    const auto running = holder(state_dir);
    if (!running) return fail("upgrade_failed", "The agent has ended meanwhile. Its log says why.");
    const Seen now = look(state_dir);
    if (now.pid == before.pid && now.failed_at != before.failed_at) return fail("upgrade_failed", now.why);
    if (now.pid == before.pid || now.pid != *running) continue;
    return fmt::format("Process {} (version {}) has taken over from process {} (version {}).", now.pid,
                       now.version, before.pid, before.version);
  }
  return fail("upgrade_failed", "Nothing has come of it yet. See postern-agent status, and the agent's log.");
}

}  // namespace

Result<std::string> ask_upgrade(const StateDir& state_dir, const Clock& clock) {
  const auto running = holder(state_dir);
  if (!running)
    return fail("not_running",
                fmt::format("No agent runs in {}. Start it: postern-agent run.", state_dir.path().string()));
  const Seen before = look(state_dir);
  if (*running < 1 || before.pid != *running || !before.can)
    return fail("too_old",
                "The agent that runs is just starting, or is of a version that cannot give its place to "
                "another one. Try again, or restart it.");
  if (auto asked = ask(*running, state_dir); !asked) return std::unexpected(asked.error());
  return wait_for_outcome(state_dir, clock, before);
}

Result<void> may_be_succeeded(bool known) {
  if (::getpid() == 1)
    return fail("not_here",
                "The agent is the first process of a container, which ends with it. Replace the container.");
  const char* supervised = std::getenv("SYSTEMD_EXEC_PID");
  if (supervised && supervised == std::to_string(::getpid()) && !std::getenv("NOTIFY_SOCKET"))
    return fail("not_here",
                "systemd would take the end of this process for the end of the service. The unit needs "
                "Type=notify and NotifyAccess=main.");
  if (known || std::getenv("NOTIFY_SOCKET") || is_job_of_a_terminal()) return {};
  return fail(
      "not_here",
      "Whoever started this process may take its end for the end of the agent: the init of a container, "
      "a supervisor, a script. If nobody does, start it with --unsupervised; otherwise restart it.");
}

}  // namespace postern::agent
