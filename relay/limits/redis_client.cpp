#include "relay/limits/redis_client.hpp"

#include <boost/asio/post.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "relay/limits/redis_core.hpp"

namespace postern::relay {

RedisScript::RedisScript(std::string text)
    : text_(std::move(text)), digest_(hex_encode(postern::digest(Digest::sha1, text_))) {}

RedisClient::RedisClient(RedisOptions options, Random& random)
    : core_(std::make_unique<Core>(std::move(options), random)) {}

RedisClient::~RedisClient() {
  stop();
}

void RedisClient::start() {
  core_->begin();
}

void RedisClient::stop() {
  {
    const std::lock_guard lock(core_->inbox_mutex);
    if (std::exchange(core_->closed, true)) return;
    boost::asio::post(core_->io, [core = core_.get()] { core->end(); });
  }
  if (core_->thread.joinable()) return core_->thread.join();
  core_->end();  // it never ran: what was given to it ends here
}

bool RedisClient::run(std::vector<std::string> words, Done done) {
  return core_->accept({.words = std::move(words), .script = nullptr, .done = std::move(done), .until = {}});
}

bool RedisClient::run(const RedisScript& script, std::vector<std::string> keys,
                      std::vector<std::string> arguments, Done done) {
  std::vector<std::string> words{"EVALSHA", script.digest(), std::to_string(keys.size())};
  words.reserve(words.size() + keys.size() + arguments.size());
  std::ranges::move(keys, std::back_inserter(words));
  std::ranges::move(arguments, std::back_inserter(words));
  return core_->accept({.words = std::move(words), .script = &script, .done = std::move(done), .until = {}});
}

void RedisClient::every(Duration interval, std::function<void()> task) {
  core_->tickers.push_back({interval, std::move(task), boost::asio::steady_timer(core_->io)});
}

void RedisClient::post(std::function<void()> task) {
  core_->post(std::move(task));
}

bool RedisClient::up() const {
  return core_->up;
}

}  // namespace postern::relay
