#pragma once
#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/random.hpp"
#include "relay/limits/redis_protocol.hpp"
#include "relay/limits/redis_url.hpp"

namespace postern::relay {

struct RedisOptions {
  RedisTarget target;
  Duration connect_time = std::chrono::seconds(2);  ///< look-up, connecting and logging in, each
  /// From a command to its reply. One that is late ends the connection: replies come in order, so none of the
  /// others would come either.
  Duration command_time = std::chrono::milliseconds(250);
  std::size_t commands_most = 4096;        ///< unanswered at once; more are refused
  std::function<void(bool up)> on_change;  ///< on the client's thread; may be empty
  Duration retry_base = std::chrono::milliseconds(100), retry_cap = std::chrono::seconds(5);
};

/// A Lua script, which the server knows by its digest once it has seen it.
class RedisScript {
 public:
  explicit RedisScript(std::string text);
  const std::string& text() const { return text_; }
  const std::string& digest() const { return digest_; }

 private:
  std::string text_;
  std::string digest_;
};

/// A connection to Redis that is made again, with growing and jittered pauses, whenever it is lost. Commands
/// are pipelined. It has a thread of its own; every call returns at once, from any thread, whatever Redis
/// does.
///
/// What is in Redis is only ever a help: no caller may depend on an answer. A command ends in one of
///   a reply                (an error reply too: RedisReply::is_error)
///   `redis_away`           there is no connection; nothing was sent
///   `redis_late`           no reply in time   } Redis may have
///   `redis_lost`           connection ended   } done it
///   `redis_stopped`
/// That Redis has gone, and that it is back, is logged once each: "redis.away", "redis.back".
class RedisClient {
 public:
  using Done = std::function<void(Result<RedisReply>)>;

  /// `random` outlives it.
  RedisClient(RedisOptions options, Random& random);
  ~RedisClient();  ///< stops
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  void start();
  /// Ends the thread, after every open command's `done`. May be called twice; not from the client's thread.
  void stop();

  /// False: too many commands are open, or it has stopped, and `done` will not be called. Otherwise `done` is
  /// called exactly once, on the client's thread; it must not throw, and may call run() again.
  bool run(std::vector<std::string> words, Done done);
  /// EVAL once on each connection, then EVALSHA, and EVAL again when the server has forgotten the script
  /// (only then may it take effect after commands that were given later). `script` outlives the client.
  bool run(const RedisScript& script, std::vector<std::string> keys, std::vector<std::string> arguments,
           Done done);

  /// Calls `task` on the client's thread every `interval`, from start() until stop(). Before start().
  void every(Duration interval, std::function<void()> task);
  /// Calls `task` on the client's thread soon; never after stop().
  void post(std::function<void()> task);

  bool up() const;  ///< logged in, and answering when last heard of

 private:
  struct Core;
  std::unique_ptr<Core> core_;
};

}  // namespace postern::relay
