#pragma once
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <unordered_map>

#include "relay/bus/nats_message.hpp"

namespace postern::relay {

/// What has been handed in and is not over: messages waiting to be written, and requests waiting for their
/// answer. Pure and for one thread at a time; NatsClient locks around it.
///
/// Every request ends exactly once: `done` is called with its answer, or abandon() says that its owner has
/// gone. What comes for a request that is over is ignored, so a late answer hurts nobody.
class NatsOutstanding {
 public:
  using Token = std::uint64_t;  ///< never 0, never used twice
  using Done = std::function<void(NatsAnswer)>;
  enum class Stage { queued, written };

  NatsOutstanding(std::size_t most, std::size_t most_bytes) : most_(most), most_bytes_(most_bytes) {}

  /// nullopt when it is full; the message stays with the caller.
  std::optional<Token> add_request(NatsMessage& message, Done done);
  /// A message nobody answers. False when full.
  bool add_post(NatsMessage& message);

  struct Next {
    Token token = 0;  ///< 0: nobody waits for an answer
    NatsMessage message;
  };
  /// The oldest message that is not written; from here on it counts as written. Abandoned ones are skipped.
  std::optional<Next> next();

  void answer(Token token, NatsAnswer answer);
  /// How far it had come; nullopt when it was over already.
  std::optional<Stage> abandon(Token token);
  void fail_written(const NatsAnswer& answer);  ///< the connection they were written to is gone
  void fail_queued(const NatsAnswer& answer);   ///< and forgets the posts
  void forget();                                ///< everything, answering nobody

  bool has_next() const { return !queue_.empty(); }
  std::size_t requests() const { return requests_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct Request {
    Stage stage = Stage::queued;
    std::size_t bytes = 0;
    Done done;
  };
  bool fits(const NatsMessage& message) const;
  void fail_all(Stage stage, const NatsAnswer& answer);

  const std::size_t most_;
  const std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  Token last_ = 0;
  std::deque<Next> queue_;
  std::unordered_map<Token, Request> requests_;
};

}  // namespace postern::relay
