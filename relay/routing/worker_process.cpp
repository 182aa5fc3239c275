#include "relay/routing/worker_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "base/log.hpp"
#include "relay/routing/wire.hpp"
#include "relay/routing/worker.hpp"

namespace postern::relay {
namespace {

constexpr auto kLeave = std::chrono::milliseconds(200);

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

std::unexpected<Error> not_started(int error) {
  return fail("worker_not_started", fmt::format("A process for the programs of routes cannot be started: {}.",
                                                std::error_code(error, std::generic_category()).message()));
}

/// What the worker finds when it starts: nothing to read or write to but the socket.
class Actions {
 public:
  explicit Actions(int socket) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDWR, 0);
    posix_spawn_file_actions_adddup2(&actions_, 0, 1);
    posix_spawn_file_actions_adddup2(&actions_, 0, 2);
    posix_spawn_file_actions_adddup2(&actions_, socket, kWorkerSocket);
    posix_spawn_file_actions_addclosefrom_np(&actions_, kWorkerSocket + 1);
  }
  ~Actions() { posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

/// The relay ignores some signals, and ignoring is inherited; so is a mask.
class Attributes {
 public:
  Attributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t all;
    sigset_t none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  }
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

int milliseconds_until(SteadyPoint until) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

}  // namespace

Result<std::unique_ptr<WorkerProcess>> WorkerProcess::spawn(const WorkerCommand& command) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return not_started(errno);
  Descriptor ours(ends[0]);
  const Descriptor its(ends[1]);
  // Out of the way of the numbers it gets.
  const Descriptor moved(::fcntl(its.get(), F_DUPFD_CLOEXEC, kWorkerSocket + 1));
  if (moved.get() < 0 || ::fcntl(ours.get(), F_SETFL, O_NONBLOCK) != 0) return not_started(errno);
  const Actions actions(moved.get());
  const Attributes attributes;
  std::string name = "postern";
  std::string task(kWorkerCommand);
  std::string parent = std::to_string(::getpid());
  std::string memory = std::to_string(command.memory);
  char* const arguments[] = {name.data(), task.data(), parent.data(), memory.data(), nullptr};
  char* const environment[] = {nullptr};
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, command.path.c_str(), actions.get(), attributes.get(), arguments, environment);
  if (error != 0) return not_started(error);
  return std::unique_ptr<WorkerProcess>(new WorkerProcess(pid, ours.release()));
}

WorkerProcess::~WorkerProcess() {
  kill();
  ::close(socket_);
}

void WorkerProcess::kill() {
  if (std::exchange(reaped_, true)) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
  }
}

WorkerProcess::Io WorkerProcess::await(short events, SteadyPoint until) const {
  while (true) {
    pollfd waiting{socket_, events, 0};
    const int ready = ::poll(&waiting, 1, milliseconds_until(until));
    if (ready > 0) return Io::done;
    if (ready < 0 && errno != EINTR) return Io::ended;
    if (std::chrono::steady_clock::now() >= until) return Io::late;
  }
}

WorkerProcess::Io WorkerProcess::send(std::string_view bytes, SteadyPoint until) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Io::ended;
    if (const Io ready = await(POLLOUT, until); ready != Io::done) return ready;
  }
  return Io::done;
}

/// At least one byte more.
WorkerProcess::Io WorkerProcess::read_more(SteadyPoint until) {
  char chunk[16 * 1024];
  while (true) {
    const ssize_t got = ::recv(socket_, chunk, sizeof chunk, 0);
    if (got == 0) return Io::ended;
    if (got > 0) {
      received_.append(chunk, static_cast<std::size_t>(got));
      return Io::done;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Io::ended;
    if (const Io ready = await(POLLIN, until); ready != Io::done) return ready;
  }
}

WorkerProcess::Io WorkerProcess::receive(std::string& content, SteadyPoint until) {
  while (true) {
    if (received_.size() >= kFrameHead) {
      const auto length = frame_length(std::string_view(received_).substr(0, kFrameHead), kReplyBytesMax);
      if (!length) return Io::ended;
      if (received_.size() >= kFrameHead + *length) {
        content.assign(received_, kFrameHead, *length);
        received_.erase(0, kFrameHead + *length);
        return Io::done;
      }
    }
    if (const Io more = read_more(until); more != Io::done) return more;
  }
}

WorkerEnd WorkerProcess::wait() {
  if (!reaped_) {
    // It has closed the socket, so it is leaving; with a pidfd there is something to wait on.
    const Descriptor gone(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
    pollfd waiting{gone.get(), POLLIN, 0};
    if (gone.get() >= 0) ::poll(&waiting, 1, static_cast<int>(kLeave.count()));
    kill();
  }
  // Only where the worker does not catch it (see sandbox.cpp), so that nobody knows where it was.
  if (WIFSIGNALED(status_) && WTERMSIG(status_) == SIGPROF) return {Fault::time, Stage::filter};
  const auto end = WIFEXITED(status_) ? worker_end_of(WEXITSTATUS(status_)) : std::nullopt;
  if (!end) log::warn("routes.worker_lost", {{"pid", pid_}, {"status", status_}});
  return end.value_or(WorkerEnd{});
}

}  // namespace postern::relay
