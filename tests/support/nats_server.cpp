#include "tests/support/nats_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <thread>
#include <vector>

extern char** environ;

namespace postern::test {
namespace {

namespace fs = std::filesystem;

/// Debian puts it where an ordinary user's PATH does not look.
std::string program() {
  for (const char* path : {"/usr/sbin/nats-server", "/usr/bin/nats-server", "/usr/local/bin/nats-server"}) {
    if (::access(path, X_OK) == 0) return path;
  }
  throw std::runtime_error("nats-server is not installed: scripts/install-deps installs it");
}

pid_t spawn(std::vector<std::string> words, const fs::path& log) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  for (const int stream : {1, 2})
    posix_spawn_file_actions_addopen(&actions, stream, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  pid_t pid = -1;
  const int failed = ::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw std::runtime_error("nats-server cannot be started");
  return pid;
}

std::string content(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The file the server writes when it listens: {"nats":["nats://127.0.0.1:41234"], …}; "tls://…" with TLS.
std::uint16_t port_in(const std::string& text) {
  constexpr std::string_view kHost = "://127.0.0.1:";
  const auto at = text.find(kHost);
  return at == std::string::npos ? 0 : static_cast<std::uint16_t>(std::stoi(text.substr(at + kHost.size())));
}

}  // namespace

NatsServer::NatsServer(std::vector<std::string> more) : more_(std::move(more)) {
  std::string pattern = (fs::temp_directory_path() / "postern-nats-XXXXXX").string();
  directory_ = ::mkdtemp(pattern.data());
  start();
}

NatsServer::~NatsServer() {
  kill();
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void NatsServer::start() {
  const fs::path ports = directory_ / "ports";
  fs::remove_all(ports);
  fs::create_directories(ports);
  const std::string port = port_ == 0 ? "-1" : std::to_string(port_);
  std::vector<std::string> words{program(), "-a", "127.0.0.1", "-p", port, "-js", "-sd"};
  words.insert(words.end(), {(directory_ / "store").string(), "--ports_file_dir", ports.string()});
  words.insert(words.end(), more_.begin(), more_.end());
  pid_ = spawn(std::move(words), directory_ / "log");
  read_port();
}

void NatsServer::read_port() {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < end) {
    for (const auto& file : fs::directory_iterator(directory_ / "ports")) {
      const std::uint16_t port = port_in(content(file.path()));
      if (port == 0) continue;
      port_ = port;
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  throw std::runtime_error("nats-server did not start: " + content(directory_ / "log"));
}

void NatsServer::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void NatsServer::restart() {
  kill();
  start();
}

void NatsServer::wipe() {
  fs::remove_all(directory_ / "store");
}

std::string NatsServer::url_as(const std::string& before_the_host) const {
  return fmt::format("{}127.0.0.1:{}", before_the_host, port_);
}

}  // namespace postern::test
