#include "tests/support/redis_server.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

extern char** environ;

namespace postern::test {
namespace {

std::filesystem::path new_directory() {
  std::string name = (std::filesystem::temp_directory_path() / "postern-redis-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory for redis-server");
  return name;
}

int connected(const std::filesystem::path& path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  ::close(fd);
  return -1;
}

pid_t spawn(const std::vector<std::string>& words) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, argv[0], &files, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0)
    throw std::runtime_error("redis-server cannot be started; scripts/install-deps installs it");
  return pid;
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> more_arguments)
    : directory_(new_directory()), socket_(directory_ / "s"), more_(std::move(more_arguments)) {
  start();
}

RedisServer::~RedisServer() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void RedisServer::start() {
  // It dies with this process, whatever ends that.
  std::vector<std::string> words = {"setpriv", "--pdeathsig", "KILL", "redis-server", "--port", "0"};
  for (const std::string& word : {std::string("--unixsocket"), socket_.string(), std::string("--save"),
                                  std::string(), std::string("--dir"), directory_.string()})
    words.push_back(word);
  words.insert(words.end(), more_.begin(), more_.end());
  pid_ = spawn(words);
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (std::chrono::steady_clock::now() < end) {
    if (!ask("PING").empty()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill();
  throw std::runtime_error("redis-server does not answer");
}

void RedisServer::kill() {
  if (pid_ == 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
  std::error_code ignored;
  std::filesystem::remove(socket_, ignored);
}

void RedisServer::freeze() {
  ::kill(pid_, SIGSTOP);
}

void RedisServer::thaw() {
  ::kill(pid_, SIGCONT);
}

std::string RedisServer::ask(const std::string& line) const {
  const int fd = connected(socket_);
  if (fd < 0) return "";
  const std::string sent = line + "\r\n";
  std::string got;
  if (::write(fd, sent.data(), sent.size()) == static_cast<ssize_t>(sent.size())) {
    char buffer[4096];
    const ssize_t size = ::read(fd, buffer, sizeof buffer);
    if (size > 0) got.assign(buffer, static_cast<std::size_t>(size));
  }
  ::close(fd);
  return got;
}

}  // namespace postern::test
