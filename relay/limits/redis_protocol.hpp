#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

struct redisReader;
struct redisReply;

/// RESP 2, the protocol of Redis, without I/O. Replies are read by hiredis.
namespace postern::relay {

struct RedisReply {
  enum class Kind { nil, integer, text, error, list };
  Kind kind = Kind::nil;
  std::int64_t integer = 0;
  std::string text;  ///< of a text or an error
  std::vector<RedisReply> items;

  bool is_error() const { return kind == Kind::error; }
};

/// One command as the server reads it, behind what is in `out` already.
void append_command(std::string& out, std::span<const std::string> words);

/// A stream of replies. One thread.
class RedisReplies {
 public:
  static constexpr std::size_t kReplyMost = 8 * 1024 * 1024;

  RedisReplies();
  ~RedisReplies();
  RedisReplies(const RedisReplies&) = delete;
  RedisReplies& operator=(const RedisReplies&) = delete;

  void feed(std::string_view bytes);
  /// The next whole reply; nullopt when more bytes are needed. Error `redis_garbled`: the stream is no RESP,
  /// or a reply is larger than kReplyMost; nothing more can be read from it.
  Result<std::optional<RedisReply>> next();

 private:
  redisReader* reader_;
  std::size_t pending_ = 0;  ///< bytes fed since the last whole reply
};

}  // namespace postern::relay
