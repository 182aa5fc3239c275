#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "base/backoff.hpp"
#include "base/http/client.hpp"
#include "relay/limits/redis_client.hpp"

namespace postern::relay {

/// What a RedisClient is. Everything but the inbox and the atomics belongs to its thread.
struct RedisClient::Core {
  using Socket = boost::asio::generic::stream_protocol::socket;
  using Deadline = std::chrono::steady_clock::time_point;

  struct Command {
    std::vector<std::string> words;
    const RedisScript* script = nullptr;  ///< to be said in full when the server does not know it
    Done done;
    Deadline until{};
  };
  struct Ticker {
    Duration interval;
    std::function<void()> task;
    boost::asio::steady_timer timer;
  };

  Core(RedisOptions given, Random& entropy);

  // From any thread.
  bool accept(Command command);
  void post(std::function<void()> task);

  // On its thread: redis_core.cpp.
  void begin();
  void end();
  void ended(std::exception_ptr why);
  void take_inbox();
  void send(Command command);
  static void say_in_full(Command& command);
  void write_more();
  void written(boost::system::error_code error);
  void answered(RedisReply reply);
  void finish(Command& command, Result<RedisReply> result);
  void watch();
  void drop(std::string code, std::string reason);
  void fail_all();
  void tick(Ticker& ticker);

  // On its thread: redis_connect.cpp.
  boost::asio::awaitable<void> live();
  boost::asio::awaitable<void> one_connection();
  boost::asio::awaitable<bool> connect();
  boost::asio::awaitable<bool> connect_one(boost::asio::generic::stream_protocol::endpoint to);
  boost::asio::awaitable<std::vector<boost::asio::generic::stream_protocol::endpoint>> endpoints();
  boost::asio::awaitable<void> read_replies();
  void log_in();
  void say(std::vector<std::string> words, bool last);
  void note_up();
  void note_down(bool was_up);

  const RedisOptions options;
  Random& random;
  boost::asio::io_context io{1};
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard;
  std::thread thread;
  boost::asio::cancellation_signal stop_signal;

  std::mutex inbox_mutex;
  std::vector<Command> inbox;
  bool inbox_posted = false;
  bool closed = false;  ///< under inbox_mutex; nothing is accepted any more
  std::atomic<std::size_t> open = 0;
  std::atomic<bool> up = false;

  Socket socket{io};
  boost::asio::steady_timer watchdog{io};
  boost::asio::steady_timer pause{io};
  std::shared_ptr<http::Resolver> resolver = http::system_resolver();
  std::optional<RedisReplies> replies;
  std::deque<Command> waiting;                ///< sent, or in `out`; in the order of their replies
  std::string out, sending;                   ///< not yet given to the socket, and being written
  std::set<const RedisScript*> scripts_said;  ///< on this connection
  bool writing = false;
  bool watching = false;
  bool connected = false;  ///< the socket is; `up` says that the login is through, too
  bool stopping = false;
  bool told_away = false;
  std::string drop_code, drop_reason;  ///< why this connection ended
  Backoff backoff;
  std::deque<Ticker> tickers;
};

}  // namespace postern::relay
