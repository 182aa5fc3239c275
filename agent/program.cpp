#include "agent/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "tunnel-proto/join_token.hpp"

namespace postern::agent {
namespace {

constexpr int kSocketOfChild = 3;
constexpr int kLockOfChild = 4;
/// Copies of descriptors have higher numbers, so that the child's do not run over them.
constexpr int kAboveThose = 10;

std::filesystem::path started_file(const char* name) {
  // The name that execve() got. Not /proc/self/exe: that follows links, and is "(deleted)" after an upgrade.
  const auto* executed = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
  return std::filesystem::absolute(executed && *executed ? executed : name).lexically_normal();
}

class Copy {
 public:
  explicit Copy(int fd) : fd_(::fcntl(fd, F_DUPFD_CLOEXEC, kAboveThose)) {}
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  ~Copy() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

/// Neither what asio opens nor what libraries do is closed by execve() by itself.
class Spawning {
 public:
  Spawning(int socket, int lock) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_adddup2(&actions_, socket, kSocketOfChild);
    ::posix_spawn_file_actions_adddup2(&actions_, lock, kLockOfChild);
    ::posix_spawn_file_actions_addclosefrom_np(&actions_, kLockOfChild + 1);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  Spawning(const Spawning&) = delete;
  Spawning& operator=(const Spawning&) = delete;
  ~Spawning() {
    ::posix_spawnattr_destroy(&attributes_);
    ::posix_spawn_file_actions_destroy(&actions_);
  }
  int start(const std::filesystem::path& file, char* const* argv, char* const* environment, pid_t& pid) {
    return ::posix_spawn(&pid, file.c_str(), &actions_, &attributes_, argv, environment);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_of_child() {
  std::vector<std::string> out;
  for (char** entry = environ; *entry != nullptr; ++entry) out.emplace_back(*entry);
  out.push_back(fmt::format("{}={}:{}", kHandoverVariable, kSocketOfChild, kLockOfChild));
  return out;
}

std::optional<int> descriptor_in(std::string_view text) {
  int fd = -1;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (ec != std::errc() || end != text.data() + text.size() || fd < 0) return std::nullopt;
  return ::fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? std::optional(fd) : std::nullopt;
}

}  // namespace

Program this_program(int argc, const char* const* argv) {
  Program program{started_file(argc > 0 ? argv[0] : "postern-agent"), {}};
  for (int i = 0; i < argc; ++i) {
    if (!std::string_view(argv[i]).starts_with(tunnel::kJoinTokenPrefix))
      program.arguments.emplace_back(argv[i]);
  }
  return program;
}

std::optional<std::string> ChildProcess::ended() {
  if (pid_ == 0) return std::string();
  int status = 0;
  const pid_t waited = ::waitpid(pid_, &status, WNOHANG);
  if (waited == 0 || (waited < 0 && errno != ECHILD)) return std::nullopt;
  pid_ = 0;
  if (waited < 0) return std::string();  // whoever started this process has SIGCHLD ignored
  if (WIFEXITED(status)) return fmt::format("ended with status {}", WEXITSTATUS(status));
  return fmt::format("was ended by signal {}", WTERMSIG(status));
}

std::string ChildProcess::end() {
  if (auto said = ended()) return *said;
  const pid_t pid = std::exchange(pid_, 0);
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

Result<ChildProcess> start_successor(const Program& program, int socket, int lock) {
  const Copy socket_copy(socket);
  const Copy lock_copy(lock);
  std::vector<std::string> arguments = program.arguments;
  std::vector<std::string> environment = environment_of_child();
  Spawning spawning(socket_copy.get(), lock_copy.get());
  pid_t pid = 0;
  const int error =
      spawning.start(program.file, pointers(arguments).data(), pointers(environment).data(), pid);
  if (error == 0) return ChildProcess(pid);
  return fail("not_started",
              fmt::format("{} cannot be started: {}.", program.file.string(), std::strerror(error)));
}

std::optional<InheritedDescriptors> inherited_descriptors() {
  const char* value = std::getenv(kHandoverVariable);
  if (value == nullptr) return std::nullopt;
  const std::string text = value;
  ::unsetenv(kHandoverVariable);
  const auto colon = text.find(':');
  if (colon == std::string::npos) return std::nullopt;
  const auto socket = descriptor_in(std::string_view(text).substr(0, colon));
  const auto lock = descriptor_in(std::string_view(text).substr(colon + 1));
  if (!socket || !lock) return std::nullopt;
  return InheritedDescriptors{*socket, *lock};
}

}  // namespace postern::agent
