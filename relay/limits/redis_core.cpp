#include "relay/limits/redis_core.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>

#include "base/log.hpp"

namespace postern::relay {

namespace asio = boost::asio;

RedisClient::Core::Core(RedisOptions given, Random& entropy)
    : options(std::move(given)), random(entropy), backoff(options.retry_base, options.retry_cap) {}

bool RedisClient::Core::accept(Command command) {
  if (open.fetch_add(1) >= options.commands_most) {
    --open;
    return false;
  }
  const std::lock_guard lock(inbox_mutex);
  if (closed) {
    --open;
    return false;
  }
  inbox.push_back(std::move(command));
  if (!std::exchange(inbox_posted, true)) asio::post(io, [this] { take_inbox(); });
  return true;
}

void RedisClient::Core::post(std::function<void()> task) {
  const std::lock_guard lock(inbox_mutex);
  if (!closed) asio::post(io, std::move(task));
}

void RedisClient::Core::begin() {
  guard.emplace(io.get_executor());
  for (Ticker& ticker : tickers) tick(ticker);
  asio::co_spawn(io, live(), asio::bind_cancellation_slot(stop_signal.slot(), [this](std::exception_ptr why) {
                   ended(why);
                 }));
  thread = std::thread([this] { io.run(); });
}

void RedisClient::Core::end() {
  stopping = true;
  take_inbox();
  drop("redis_stopped", "the client was stopped");
  stop_signal.emit(asio::cancellation_type::terminal);
}

void RedisClient::Core::ended(std::exception_ptr why) {
  if (why && !stopping) log::error("redis.failed", {{"redis", options.target.shown()}});
  {
    const std::lock_guard lock(inbox_mutex);
    closed = true;
  }
  stopping = true;
  drop("redis_stopped", "the client was stopped");
  fail_all();
  take_inbox();
  guard.reset();
  io.stop();  // the tickers would go on for ever
}

void RedisClient::Core::take_inbox() {
  std::vector<Command> commands;
  {
    const std::lock_guard lock(inbox_mutex);
    inbox_posted = false;
    commands.swap(inbox);
  }
  for (Command& command : commands) {
    if (up)
      send(std::move(command));
    else
      finish(command, fail(stopping ? "redis_stopped" : "redis_away", "There is no connection to Redis."));
  }
  write_more();
}

void RedisClient::Core::say_in_full(Command& command) {
  command.words[0] = "EVAL";
  command.words[1] = command.script->text();
  command.script = nullptr;
}

/// Into the buffer; write_more() sees to the rest. A script is said in full once on each connection, so that
/// commands take effect in the order in which they were given.
void RedisClient::Core::send(Command command) {
  if (command.script && scripts_said.insert(command.script).second) say_in_full(command);
  append_command(out, command.words);
  command.until = std::chrono::steady_clock::now() + (up ? options.command_time : options.connect_time);
  waiting.push_back(std::move(command));
  if (!watching) watch();
}

void RedisClient::Core::write_more() {
  if (writing || out.empty() || !connected) return;
  writing = true;
  sending.swap(out);
  out.clear();
  asio::async_write(socket, asio::buffer(sending),
                    [this](boost::system::error_code error, std::size_t) { written(error); });
}

void RedisClient::Core::written(boost::system::error_code error) {
  writing = false;
  if (error) return drop("redis_lost", error.message());
  write_more();
}

void RedisClient::Core::answered(RedisReply reply) {
  if (waiting.empty()) return drop("redis_lost", "a reply came that nobody had asked for");
  Command command = std::move(waiting.front());
  waiting.pop_front();
  const bool unknown = command.script && reply.is_error() && reply.text.starts_with("NOSCRIPT");
  if (!unknown) return finish(command, std::move(reply));
  say_in_full(command);
  send(std::move(command));
  write_more();
}

void RedisClient::Core::finish(Command& command, Result<RedisReply> result) {
  --open;
  if (const Done done = std::move(command.done)) done(std::move(result));
}

/// One timer for all: they end in the order in which they began, but for the few of the login.
void RedisClient::Core::watch() {
  watching = true;
  watchdog.expires_at(waiting.front().until);
  watchdog.async_wait([this](boost::system::error_code) {
    watching = false;
    if (waiting.empty()) return;
    if (waiting.front().until > std::chrono::steady_clock::now()) return watch();
    drop("redis_late", fmt::format("no reply within {}",
                                   format_duration(up ? options.command_time : options.connect_time)));
  });
}

/// The first reason stands. Whoever reads then sees the end, and the commands fail from there.
void RedisClient::Core::drop(std::string code, std::string reason) {
  if (drop_code.empty()) {
    drop_code = std::move(code);
    drop_reason = std::move(reason);
  }
  boost::system::error_code ignored;
  socket.close(ignored);
}

void RedisClient::Core::fail_all() {
  up = false;
  connected = false;
  out.clear();
  std::deque<Command> those;
  those.swap(waiting);
  for (Command& command : those) finish(command, fail(drop_code, drop_reason));
}

void RedisClient::Core::tick(Ticker& ticker) {
  ticker.timer.expires_after(ticker.interval);
  ticker.timer.async_wait([this, &ticker](boost::system::error_code error) {
    if (error || stopping) return;
    ticker.task();
    tick(ticker);
  });
}

}  // namespace postern::relay
