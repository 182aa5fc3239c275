#pragma once
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace postern::test {

/// A listener that says exactly what a test tells it: one function runs for each connection, one after the
/// other, on the listener's own thread. For servers that are slow, broken or hostile.
class ScriptedServer {
 public:
  class Peer {
   public:
    explicit Peer(int fd) : fd_(fd) {}
    /// Up to and including `mark`; what came before the end of the connection if that comes first.
    std::string read_until(std::string_view mark);
    /// A whole request whose body has a Content-Length.
    std::string read_request();
    bool send(std::string_view bytes);
    /// Until the client ends the connection; at most ten seconds.
    void wait_for_end();
    void reset_on_close();

   private:
    bool read_more();
    int fd_;
    std::string buffer_;
  };
  using Script = std::function<void(Peer& peer, int connection)>;

  explicit ScriptedServer(Script script);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::uint16_t port() const { return port_; }

 private:
  void serve();
  bool begin(int fd);

  Script script_;
  int listener_;
  std::mutex mutex_;
  int current_ = -1;  // the connection being served
  bool ending_ = false;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

}  // namespace postern::test
