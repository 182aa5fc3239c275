#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "agent/forwarder.hpp"
#include "agent/handover_channel.hpp"
#include "agent/keeper.hpp"
#include "agent/result_keeper.hpp"
#include "agent/status.hpp"

namespace postern::agent {

/// What a process finds that another one has started to take its place.
class Inheritance {
 public:
  /// Of this process; nullopt when it was started by somebody else. Waits for the greeting, at most 5
  /// seconds. Error `malformed`, or `io_failed`.
  static Result<std::optional<Inheritance>> receive();
  /// The same of these descriptors, which it owns from here on.
  static Result<Inheritance> receive(int socket, FileLock lock);

  const Greeting& greeting() const { return greeting_; }
  FileLock& lock() { return lock_; }
  /// For the predecessor's log: why nothing will come of it. Before release_socket() only.
  void complain(const Error& error) const;
  int release_socket() { return std::exchange(socket_, -1); }

  Inheritance(Inheritance&& other) noexcept
      : socket_(std::exchange(other.socket_, -1)),
        lock_(std::move(other.lock_)),
        greeting_(other.greeting_) {}
  Inheritance& operator=(Inheritance&&) = delete;
  ~Inheritance();

 private:
  Inheritance(int socket, FileLock lock) : socket_(socket), lock_(std::move(lock)) {}
  int socket_;
  FileLock lock_;
  Greeting greeting_;
};

/// The side of handover.hpp that takes the place over. One loop; all references outlive it.
class Successor : public std::enable_shared_from_this<Successor> {
 public:
  struct Parts {
    boost::asio::any_io_executor executor;
    const StateDir& state_dir;
    const FileLock& lock;
    StatusBoard& board;
    ResultKeeper& results;  ///< without a disk yet
    std::shared_ptr<Forwarder> forwarder;
    std::shared_ptr<Keeper> keeper;  ///< in Role::heir
    std::filesystem::path journal;
    std::size_t sessions = 1;
    std::function<void()> serves;  ///< it is the agent now, and has a session
  };
  Successor(Parts parts, int socket);

  void start();
  void session_opened(std::uint64_t generation);
  void failed(const Error& error);  ///< no session came about

 private:
  /// The others of its sessions may stay away, and a relay may send no probes.
  static constexpr Duration kOtherSessions = std::chrono::milliseconds(1500);
  void came(const tunnel::DeliverHead& head);
  void say_ready();
  bool is_unwilling();
  void told(const HandoverFrame& frame);
  void take(std::span<const DeliveryId> under_way);
  void give_up(const Error& error);
  void channel_closed(const Result<void>& how);
  void predecessor_gone();
  void tell_if_serving();

  Parts parts_;
  std::shared_ptr<HandoverChannel> channel_;
  boost::asio::steady_timer timer_;
  std::size_t probes_ = 0;
  bool opened_ = false, said_ready_ = false, taken_ = false, told_ = false;
};

}  // namespace postern::agent
