#include "relay/limits/redis_protocol.hpp"

#include <fmt/format.h>
#include <hiredis/hiredis.h>

namespace postern::relay {
namespace {

RedisReply converted(const redisReply& reply) {
  using Kind = RedisReply::Kind;
  switch (reply.type) {
    case REDIS_REPLY_INTEGER:
      return {Kind::integer, reply.integer, {}, {}};
    case REDIS_REPLY_STRING:
    case REDIS_REPLY_STATUS:
      return {Kind::text, 0, std::string(reply.str, static_cast<std::size_t>(reply.len)), {}};
    case REDIS_REPLY_ERROR:
      return {Kind::error, 0, std::string(reply.str, static_cast<std::size_t>(reply.len)), {}};
    case REDIS_REPLY_ARRAY: {
      RedisReply list{Kind::list, 0, {}, {}};
      for (std::size_t i = 0; i < reply.elements; ++i) list.items.push_back(converted(*reply.element[i]));
      return list;
    }
    default:
      return {};
  }
}

}  // namespace

void append_command(std::string& out, std::span<const std::string> words) {
  fmt::format_to(std::back_inserter(out), "*{}\r\n", words.size());
  for (const std::string& word : words) {
    fmt::format_to(std::back_inserter(out), "${}\r\n", word.size());
    out.append(word).append("\r\n");
  }
}

RedisReplies::RedisReplies() : reader_(redisReaderCreate()) {
  if (reader_ == nullptr) throw std::bad_alloc();
}

RedisReplies::~RedisReplies() {
  redisReaderFree(reader_);
}

void RedisReplies::feed(std::string_view bytes) {
  pending_ += bytes.size();
  redisReaderFeed(reader_, bytes.data(), bytes.size());
}

Result<std::optional<RedisReply>> RedisReplies::next() {
  void* found = nullptr;
  if (redisReaderGetReply(reader_, &found) != REDIS_OK) {
    return fail("redis_garbled", fmt::format("What came is not the protocol of Redis: {}.", reader_->errstr));
  }
  if (found == nullptr) {
    if (pending_ > kReplyMost) return fail("redis_garbled", "A reply of Redis is too large.");
    return std::nullopt;
  }
  pending_ = 0;
  const std::unique_ptr<void, decltype(&freeReplyObject)> owner(found, freeReplyObject);
  return converted(*static_cast<const redisReply*>(found));
}

}  // namespace postern::relay
