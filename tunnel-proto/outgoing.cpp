#include "tunnel-proto/outgoing.hpp"

#include <algorithm>
#include <utility>

#include "tunnel-proto/big_endian.hpp"
#include "tunnel-proto/frame.hpp"

namespace postern::tunnel {
namespace {

// A frame is not cut shorter than this to fit: it would cost more than it saves.
constexpr std::size_t kLeastCut = 1024;

/// A control frame of one number.
template <class Number>
void write_number(std::string& out, FrameType type, StreamId stream, Number value) {
  append_header(out, {type, 0, stream, sizeof value});
  append_big_endian(out, value);
}

}  // namespace

void Outgoing::wake(Stream& stream) {
  const bool ready = stream.head_sent && stream.body_left() > 0 && stream.send.available() > 0;
  if (ready && !stream.in_ready.is_linked()) ready_.push(stream);
}

bool Outgoing::empty() const {
  return !ping_ && !pong_ && !credit_ && !health_ && !session_limit_ && !goaway_ && !rotate_ && !rotate_ok_ &&
         resets_.empty() && acks_.empty() && windows_.empty() && heads_.empty() && !can_send_data();
}

void Outgoing::acknowledge(const ResultAck& ack) {
  if (acks_.size() == kAcksMost) acks_.pop_front();
  acks_.push_back(ack);
}

void Outgoing::write_acks(std::string& out) {
  while (!acks_.empty()) {
    const auto end = acks_.begin() + static_cast<std::ptrdiff_t>(std::min(acks_.size(), kResultAcksMost));
    const std::vector<ResultAck> some(acks_.begin(), end);
    acks_.erase(acks_.begin(), end);
    append_frame(out, FrameType::result_ack, 0, encode(some));
  }
}

void Outgoing::write_control(std::string& out) {
  if (pong_) append_frame(out, FrameType::pong, 0, *std::exchange(pong_, std::nullopt));
  if (ping_) write_number(out, FrameType::ping, 0, *std::exchange(ping_, std::nullopt));
  if (credit_) write_number(out, FrameType::credit, 0, *std::exchange(credit_, std::nullopt));
  if (health_) append_frame(out, FrameType::health, 0, *std::exchange(health_, std::nullopt));
  if (session_limit_) write_number(out, FrameType::window, 0, *std::exchange(session_limit_, std::nullopt));
  if (rotate_) append_frame(out, FrameType::rotate, 0, *std::exchange(rotate_, std::nullopt));
  if (rotate_ok_) append_frame(out, FrameType::rotate_ok, 0, *std::exchange(rotate_ok_, std::nullopt));
  for (const Reset& reset : resets_) {
    write_number(out, FrameType::reset, reset.stream, static_cast<std::uint32_t>(reset.code));
  }
  resets_.clear();
  write_acks(out);
  while (!windows_.empty()) {
    Stream& stream = windows_.front();
    windows_.pop_front();
    write_number(out, FrameType::window, stream.id, stream.receive.limit());
  }
  if (goaway_) append_frame(out, FrameType::goaway, 0, *std::exchange(goaway_, std::nullopt));
}

bool Outgoing::write_head(std::string& out, Stream& stream) {
  const bool ended = stream.body_left() == 0;
  append_frame(out, head_type_, stream.id, stream.head, ended ? kFlagEnd : std::uint8_t{0});
  std::string().swap(stream.head);
  stream.head_sent = true;
  heads_.pop_front();
  if (!ended) wake(stream);
  return ended;
}

bool Outgoing::write_data(std::string& out, Stream& stream, std::size_t room) {
  const std::uint64_t fits = room < kHeaderSize + kLeastCut ? kMaxData : room - kHeaderSize;
  const std::uint64_t allowed =
      std::min({stream.send.available(), session_.available(), std::uint64_t{kMaxData}, fits});
  const std::size_t size = std::min<std::size_t>(stream.body_left(), allowed);
  const bool ended = size == stream.body_left();
  append_frame(out, FrameType::data, stream.id, std::string_view(*stream.body).substr(stream.body_sent, size),
               ended ? kFlagEnd : std::uint8_t{0});
  stream.body_sent += size;
  stream.send.sent(size);
  session_.sent(size);
  ready_.sent(stream, kHeaderSize + size, !ended && stream.send.available() > 0);
  if (ended) stream.body.reset();
  return ended;
}

}  // namespace postern::tunnel
