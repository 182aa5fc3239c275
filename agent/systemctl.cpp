#include "agent/systemctl.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace postern::agent {
namespace {

constexpr std::size_t kMostSaid = std::size_t{64} * 1024;

class Actions {
 public:
  explicit Actions(int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions_, output, 1);
    posix_spawn_file_actions_adddup2(&actions_, output, 2);
  }
  ~Actions() { posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// To its end; what is beyond the bound is read and dropped, so that nobody waits for a full pipe.
std::string read_all(int fd) {
  std::string out;
  std::array<char, 4096> chunk;
  while (true) {
    const ssize_t got = ::read(fd, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (out.size() < kMostSaid) out.append(chunk.data(), static_cast<std::size_t>(got));
  }
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

int wait_for(pid_t child) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Result<Systemctl::Ended> Systemctl::spawn(const std::vector<std::string>& arguments) const {
  std::vector<char*> argv{const_cast<char*>(program_.c_str())};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) return fail("no_systemctl", std::strerror(errno));
  pid_t child = 0;
  const Actions actions(pipe[1]);
  const int error = ::posix_spawnp(&child, program_.c_str(), actions.get(), nullptr, argv.data(), environ);
  ::close(pipe[1]);
  if (error != 0) {
    ::close(pipe[0]);
    return fail("no_systemctl", fmt::format("Cannot start {}: {}.", program_, std::strerror(error)));
  }
  Ended ended;
  ended.said = read_all(pipe[0]);
  ::close(pipe[0]);
  ended.status = wait_for(child);
  return ended;
}

Result<std::string> Systemctl::run(const std::vector<std::string>& arguments) const {
  auto ended = spawn(arguments);
  if (!ended) return std::unexpected(ended.error());
  if (ended->status == 0) return std::move(ended->said);
  return fail("systemctl_failed", fmt::format("{} {} failed with status {}: {}", program_,
                                              fmt::join(arguments, " "), ended->status, ended->said));
}

std::string Systemctl::ask(const std::vector<std::string>& arguments) const {
  const auto ended = spawn(arguments);
  if (!ended) return {};
  return ended->said.substr(0, ended->said.find('\n'));
}

}  // namespace postern::agent
