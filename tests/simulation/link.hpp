#pragma once
#include <array>
#include <memory>
#include <string>

#include "tests/simulation/scheduler.hpp"

namespace postern::simulation {

/// One end of a connection, as the network sees it.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  virtual void received(std::string_view bytes) = 0;
  virtual void writable() = 0;
  virtual void gone() = 0;  ///< the kernel says so
};

enum class End : std::size_t { relay, agent };

/// A TCP connection: bytes arrive in order, late and cut anywhere. It can be cut, of which each end learns in
/// its own time, or fall silent, of which neither does.
class Link : public std::enable_shared_from_this<Link> {
 public:
  Link(Scheduler& scheduler, std::weak_ptr<Endpoint> relay, std::weak_ptr<Endpoint> agent);

  /// How much is taken now; the rest when writable() is called.
  std::size_t send(End from, std::string_view bytes);
  void cut();
  /// Nothing arrives any more, at one end or at both.
  void fall_silent(bool to_relay, bool to_agent) { silent_ = {to_agent, to_relay}; }
  /// This end has gone: the other learns of it.
  void close(End end);

 private:
  /// What is on its way, by sender.
  struct Way {
    std::string bytes;
    std::size_t gone = 0;  // of them
    std::size_t size() const { return bytes.size() - gone; }
    std::string take(std::size_t most);
  };
  void carry(std::size_t way);
  void tell_gone(std::size_t end);

  Scheduler& scheduler_;
  std::weak_ptr<Endpoint> ends_[2];
  Way under_way_[2];
  bool carrying_[2] = {false, false};
  bool blocked_[2] = {false, false};
  std::array<bool, 2> silent_{};  // by sender
  bool cut_ = false;
  std::size_t byte_by_byte_;  // so many of them, and then in larger pieces: it is slow to simulate
  const Duration latency_;
  const std::size_t capacity_;
};

}  // namespace postern::simulation
