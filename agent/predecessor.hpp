#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <optional>

#include "agent/forwarder.hpp"
#include "agent/handover_channel.hpp"
#include "agent/keeper.hpp"
#include "agent/notify.hpp"
#include "agent/program.hpp"
#include "agent/result_keeper.hpp"
#include "agent/status.hpp"

namespace postern::agent {

/// The side of handover.hpp that gives its place up. Everything it needs of the world comes in by Parts. One
/// loop; all references outlive it.
class Predecessor : public std::enable_shared_from_this<Predecessor> {
 public:
  struct Limits {
    Duration ready = std::chrono::seconds(20);  ///< from its start until the successor is logged in
    Duration taken = std::chrono::seconds(10);  ///< what comes meanwhile waits here
    /// The relay sends the sessions here away once it delivers to those of the successor. It may not know of
    /// them: they may be with another of its nodes.
    Duration overlap = std::chrono::milliseconds(300);
  };
  struct Parts {
    boost::asio::any_io_executor executor;
    StatusBoard& board;
    const Clock& clock;
    ServiceManager& manager;
    ResultKeeper& results;
    std::shared_ptr<Forwarder> forwarder;
    std::shared_ptr<Keeper> keeper;
    std::filesystem::path journal;
    const FileLock& lock;
    std::filesystem::path lock_file;
    /// Starts the successor with its end of the pair of sockets.
    std::function<Result<ChildProcess>(int socket)> start;
    /// The successor is the agent now; with false, this process is it again.
    std::function<void(bool)> handed;
    Limits limits = {};
  };
  explicit Predecessor(Parts parts);

  /// At SIGUSR2. One at a time. If it comes to nothing, the status says why, and all goes on.
  void begin();
  /// This process will end, its loop runs no more. A successor that has not taken over yet ends with it; one
  /// that has is told the last words, and when it is dead they go to the journal. Blocks, kLastWords at most.
  void abandon();

 private:
  static constexpr Duration kLastWords = std::chrono::seconds(2);
  boost::asio::awaitable<void> run(std::shared_ptr<Predecessor> self);
  boost::asio::awaitable<Result<void>> hand_over();
  boost::asio::awaitable<void> leave();
  boost::asio::awaitable<void> wait_for(const bool& what, Duration limit);
  boost::asio::awaitable<void> pause(Duration duration);
  Result<void> start();
  void hand();
  void told(const HandoverFrame& frame);
  void go_on(Error why);
  boost::asio::awaitable<void> outlive();
  std::optional<int> take_after();
  void take_back();
  Error not_done(std::string_view what);
  ResultKeeper::Heir heir() const;

  Parts parts_;
  boost::asio::steady_timer news_;
  std::shared_ptr<HandoverChannel> channel_;
  std::optional<ChildProcess> successor_;
  std::string trouble_;  ///< of the successor
  bool under_way_ = false;
  bool ready_ = false, handed_ = false, taken_ = false, closed_ = false;
};

}  // namespace postern::agent
