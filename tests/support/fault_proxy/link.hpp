#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <deque>
#include <memory>
#include <random>
#include <string>

#include "tests/support/fault_proxy/weather.hpp"

namespace postern::test {

/// One connection through the proxy: two sockets, and for each way what is under way. One loop. It keeps
/// itself alive while anything is to be moved. An end (FIN) and a break (RST) travel with the bytes, in
/// order.
class Link : public std::enable_shared_from_this<Link> {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  /// `weather` outlives it.
  Link(Socket client, const Weather& weather, std::mt19937_64& engine);

  /// Dials `target`, then moves bytes; while the weather is mute, or dialling fails, as the weather says.
  void start(const boost::asio::ip::tcp::endpoint& target);
  void weather_changed();
  void reset();  ///< RST to both ends, whatever the weather
  bool over() const { return over_; }

 private:
  struct Piece {
    enum class What { bytes, end, broken };
    What what = What::bytes;
    std::string bytes;
    Steady::time_point due;
  };
  struct Lane {
    Way way;
    Socket& from;
    Socket& to;
    std::deque<Piece> queue{};
    std::size_t queued = 0;
    boost::asio::steady_timer news;  ///< cancelled when something has changed for a waiter
    boost::asio::steady_timer room;
  };

  boost::asio::awaitable<void> run(std::shared_ptr<Link> self, boost::asio::ip::tcp::endpoint target);
  boost::asio::awaitable<void> fill(std::shared_ptr<Link> self, Lane& lane);
  boost::asio::awaitable<void> drain(std::shared_ptr<Link> self, Lane& lane);
  boost::asio::awaitable<void> wait_for_turn(Lane& lane);
  boost::asio::awaitable<bool> write(Lane& lane, const std::string& bytes);
  std::size_t step(std::size_t left) const;
  void put(Lane& lane, Piece piece);
  void end(Lane& lane);

  const Weather& weather_;
  std::mt19937_64& engine_;
  Socket client_;
  Socket server_;
  Lane up_;
  Lane down_;
  int ended_ = 0;  ///< lanes that have come to their end
  bool over_ = false;
};

}  // namespace postern::test
