#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace postern::test {

/// A real nats-server with JetStream on a port of 127.0.0.1, with a store of its own in a temporary
/// directory.
class NatsServer {
 public:
  /// On a port the system chooses, with `more` arguments; returns when it serves.
  explicit NatsServer(std::vector<std::string> more = {});
  ~NatsServer();
  NatsServer(const NatsServer&) = delete;

  void kill();     ///< SIGKILL, and waits for the end
  void restart();  ///< on the same port; the store is as it was
  void wipe();     ///< of a server that does not run: as if it had never stored anything

  std::string url() const { return url_as("nats://"); }
  std::string url_as(const std::string& before_the_host) const;  ///< "tls://", "nats://user:password@"
  std::uint16_t port() const { return port_; }

 private:
  void start();
  void read_port();

  const std::vector<std::string> more_;
  std::filesystem::path directory_;
  std::uint16_t port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace postern::test
