#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <vector>

#include "agent/link.hpp"
#include "agent/reconnect.hpp"
#include "agent/status.hpp"

namespace postern::agent {

/// What a Lane needs of the Keeper it belongs to.
class LaneHome {
 public:
  virtual ~LaneHome() = default;
  /// No more sessions are to be opened.
  virtual bool is_ending() const = 0;
  /// A connection, if possible to an address where no other lane has one.
  virtual boost::asio::awaitable<Result<boost::asio::ip::tcp::socket>> dial(std::size_t lane) = 0;
  virtual Result<std::shared_ptr<Link>> start(std::size_t lane, boost::asio::ip::tcp::socket socket) = 0;
  /// A login was refused. True: there is another secret, which start() takes now.
  virtual bool has_another_secret(std::size_t lane) = 0;
  virtual void changed() = 0;
  /// Some session of the agent stands.
  virtual bool is_connected() const = 0;
  /// A session has ended, or never came about. True: it is not to be tried again.
  virtual bool failed(const SessionEnd& end, const NextTry& next, unsigned failures) = 0;
};

/// One of the agent's sessions with its relay: dials, holds, and starts again when it ends. Makes before it
/// breaks: when the relay says that it will leave, a second session stands before the first is given up.
/// One loop.
class Lane : public std::enable_shared_from_this<Lane> {
 public:
  enum class State { idle, connecting, connected, waiting };

  Lane(LaneHome& home, std::size_t index, const boost::asio::any_io_executor& executor, Random& random);

  /// Until the home is ending or has had enough, and the last of its links is over.
  boost::asio::awaitable<void> run();
  void leave(std::string_view code, std::string_view message);  ///< all links
  void cut(std::string_view message);
  void drop_login();  ///< a session that is not open yet
  void wake();        ///< tries now, if it waits
  void probe(Duration limit);
  void grant(std::uint32_t deliveries);  ///< of one session
  void rotate(const tunnel::RotateRequest& request);
  void move();  ///< to a new session
  void health(std::span<const tunnel::AppHealth> apps);

  State state() const { return state_; }
  bool takes_deliveries() const { return link_ && link_->is_open() && !link_->has_left(); }
  SessionStatus describe(const Clock& clock) const;
  /// Of the session that it holds; nullptr without one.
  const boost::asio::ip::tcp::endpoint* remote() const;

 private:
  boost::asio::awaitable<SessionEnd> hold_session();
  boost::asio::awaitable<SessionEnd> open();
  boost::asio::awaitable<SessionEnd> try_open();
  boost::asio::awaitable<void> move_on(Duration pause);
  boost::asio::awaitable<void> finish();
  boost::asio::awaitable<void> sleep(Duration wait);
  void enter(State state);
  /// Of the session that stands, or is to, and of those that finish.
  template <class Do>
  void each(Do what) {
    if (link_) what(*link_);
    for (const auto& link : finishing_) what(*link);
  }

  LaneHome& home_;
  const std::size_t index_;
  ReconnectPolicy policy_;
  boost::asio::steady_timer nap_;
  State state_ = State::idle;
  std::shared_ptr<Link> link_;                    ///< the session, or the one that is to become it
  std::vector<std::shared_ptr<Link>> finishing_;  ///< nothing new comes by them
};

}  // namespace postern::agent
