#pragma once
#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace postern::test {

/// A redis-server of this test's own: on a Unix socket in a directory of its own, so that no port can be
/// taken; nothing is kept on disk. It ends with the object.
class RedisServer {
 public:
  explicit RedisServer(std::vector<std::string> more_arguments = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  std::string url() const { return "unix:" + socket_.string(); }
  void start();  ///< returns once it answers; throws when it does not within ten seconds
  void kill();   ///< SIGKILL: what it held is gone
  void freeze();
  void thaw();
  /// One command over a connection of its own, such as "SET a 1"; what came back, in RESP.
  std::string ask(const std::string& line) const;

 private:
  std::filesystem::path directory_;
  std::filesystem::path socket_;
  std::vector<std::string> more_;
  pid_t pid_ = 0;
};

}  // namespace postern::test
