// How a RedisClient comes to a connection, and what it does when that ends.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/log.hpp"
#include "base/with_timeout.hpp"
#include "relay/limits/redis_core.hpp"

namespace postern::relay {

namespace asio = boost::asio;
using asio::awaitable;
using Endpoint = asio::generic::stream_protocol::endpoint;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace

awaitable<void> RedisClient::Core::live() {
  while (!stopping) {
    drop_code.clear();
    co_await one_connection();
    const bool was_up = up;
    fail_all();
    if (stopping) co_return;
    note_down(was_up);
    if (was_up) backoff.reset();
    pause.expires_after(backoff.next(random));
    co_await pause.async_wait(kTuple);
  }
}

/// Until it ends; why is in drop_reason.
awaitable<void> RedisClient::Core::one_connection() {
  const bool there = co_await connect();
  if (!there) {
    drop("redis_away", "no address answers");
    co_return;
  }
  connected = true;
  replies.emplace();
  scripts_said.clear();
  log_in();
  write_more();
  co_await read_replies();
  // The buffer is the write's until that has heard that the socket is closed.
  while (writing) co_await asio::post(io, asio::use_awaitable);
}

awaitable<bool> RedisClient::Core::connect() {
  const auto all = co_await endpoints();
  for (const Endpoint& endpoint : all) {
    const bool done = co_await connect_one(endpoint);
    if (done) co_return true;
    if (stopping) break;
  }
  co_return false;
}

awaitable<std::vector<Endpoint>> RedisClient::Core::endpoints() {
  std::vector<Endpoint> found;
  if (!options.target.socket_path.empty()) {
    found.emplace_back(asio::local::stream_protocol::endpoint(options.target.socket_path));
    co_return found;
  }
  boost::system::error_code ec;
  const auto literal = asio::ip::make_address(options.target.host, ec);
  if (!ec) {
    found.emplace_back(asio::ip::tcp::endpoint(literal, options.target.port));
    co_return found;
  }
  const auto looked_up = co_await with_timeout(resolver->resolve(options.target.host), options.connect_time);
  if (!looked_up) {
    drop("redis_away", "the look-up of its name took too long");
  } else if (!*looked_up) {
    drop("redis_away", looked_up->error().message);
  } else {
    for (const auto& address : **looked_up)
      found.emplace_back(asio::ip::tcp::endpoint(address, options.target.port));
  }
  co_return found;
}

awaitable<bool> RedisClient::Core::connect_one(Endpoint to) {
  drop_code.clear();
  socket = Socket(io);
  asio::steady_timer limit(io, options.connect_time);
  // The timer's handler may be on its way already when the connection is there.
  enum class Race { open, connected, late };
  const auto race = std::make_shared<Race>(Race::open);
  limit.async_wait([this, race](boost::system::error_code) {
    if (*race != Race::open) return;
    *race = Race::late;
    boost::system::error_code ignored;
    socket.close(ignored);
  });
  const auto [error] = co_await socket.async_connect(to, kTuple);
  const bool late = std::exchange(*race, Race::connected) == Race::late;
  if (!error) co_return true;
  drop("redis_away", late ? "connecting took too long" : error.message());
  co_return false;
}

/// Commands of others are taken up once the last of these was answered well.
void RedisClient::Core::log_in() {
  const RedisTarget& target = options.target;
  if (!target.password.empty()) {
    std::vector<std::string> words{"AUTH", target.password};
    if (!target.user.empty()) words.insert(words.begin() + 1, target.user);
    say(std::move(words), false);
  }
  if (target.database != 0) say({"SELECT", std::to_string(target.database)}, false);
  say({"PING"}, true);
}

void RedisClient::Core::say(std::vector<std::string> words, bool last) {
  ++open;
  Command command{.words = std::move(words), .script = nullptr, .done = {}, .until = {}};
  command.done = [this, last](Result<RedisReply> reply) {
    if (!reply) return;
    if (reply->is_error()) return drop("redis_away", reply->text);
    if (last) note_up();
  };
  send(std::move(command));
}

awaitable<void> RedisClient::Core::read_replies() {
  std::array<char, 16 * 1024> buffer;
  while (socket.is_open()) {
    const auto [error, size] = co_await socket.async_read_some(asio::buffer(buffer), kTuple);
    if (error) {
      drop("redis_lost", error.message());
      co_return;
    }
    replies->feed({buffer.data(), size});
    while (socket.is_open()) {
      auto reply = replies->next();
      if (!reply) drop("redis_lost", reply.error().message);
      if (!reply || !*reply) break;
      answered(std::move(**reply));
    }
  }
}

void RedisClient::Core::note_up() {
  up = true;
  watchdog.cancel();  // it looks again: commands have less time than the login has
  if (options.on_change) options.on_change(true);
  log::info(std::exchange(told_away, false) ? "redis.back" : "redis.connected",
            {{"redis", options.target.shown()}});
}

void RedisClient::Core::note_down(bool was_up) {
  if (was_up && options.on_change) options.on_change(false);
  if (std::exchange(told_away, true)) return;
  log::warn("redis.away", {{"redis", options.target.shown()},
                           {"reason", drop_reason},
                           {"meaning", "limits and breakers are each node's own until it is back"}});
}

}  // namespace postern::relay
