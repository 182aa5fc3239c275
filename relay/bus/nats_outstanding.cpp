#include "relay/bus/nats_outstanding.hpp"

#include <vector>

namespace postern::relay {

bool NatsOutstanding::fits(const NatsMessage& message) const {
  return requests_.size() < most_ && queue_.size() < most_ && bytes_ + message.bytes() <= most_bytes_;
}

std::optional<NatsOutstanding::Token> NatsOutstanding::add_request(NatsMessage& message, Done done) {
  if (!fits(message)) return std::nullopt;
  const Token token = ++last_;
  const std::size_t bytes = message.bytes();
  bytes_ += bytes;
  requests_.emplace(token, Request{Stage::queued, bytes, std::move(done)});
  queue_.push_back({token, std::move(message)});
  return token;
}

bool NatsOutstanding::add_post(NatsMessage& message) {
  if (!fits(message)) return false;
  bytes_ += message.bytes();
  queue_.push_back({0, std::move(message)});
  return true;
}

// A request's bytes count until it is over: its message may sit in the socket's buffer until then.
std::optional<NatsOutstanding::Next> NatsOutstanding::next() {
  while (!queue_.empty()) {
    Next next = std::move(queue_.front());
    queue_.pop_front();
    if (next.token == 0) {
      bytes_ -= next.message.bytes();
      return next;
    }
    const auto request = requests_.find(next.token);
    if (request == requests_.end()) continue;
    request->second.stage = Stage::written;
    return next;
  }
  return std::nullopt;
}

void NatsOutstanding::answer(Token token, NatsAnswer answer) {
  const auto found = requests_.find(token);
  if (found == requests_.end()) return;
  const Done done = std::move(found->second.done);
  bytes_ -= found->second.bytes;
  requests_.erase(found);
  done(std::move(answer));
}

std::optional<NatsOutstanding::Stage> NatsOutstanding::abandon(Token token) {
  const auto found = requests_.find(token);
  if (found == requests_.end()) return std::nullopt;
  const Stage stage = found->second.stage;
  bytes_ -= found->second.bytes;
  requests_.erase(found);
  return stage;
}

void NatsOutstanding::fail_written(const NatsAnswer& answer) {
  fail_all(Stage::written, answer);
}

void NatsOutstanding::fail_queued(const NatsAnswer& answer) {
  for (const Next& next : queue_) {
    if (next.token == 0) bytes_ -= next.message.bytes();
  }
  queue_.clear();
  fail_all(Stage::queued, answer);
}

void NatsOutstanding::fail_all(Stage stage, const NatsAnswer& failure) {
  std::vector<Token> tokens;
  for (const auto& [token, request] : requests_) {
    if (request.stage == stage) tokens.push_back(token);
  }
  for (const Token token : tokens) answer(token, failure);
}

void NatsOutstanding::forget() {
  queue_.clear();
  requests_.clear();
  bytes_ = 0;
}

}  // namespace postern::relay
