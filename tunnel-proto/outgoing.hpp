#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "tunnel-proto/fair_queue.hpp"
#include "tunnel-proto/messages.hpp"
#include "tunnel-proto/stream.hpp"

namespace postern::tunnel {

/// What a session has to send and in which order: control, then heads, then DATA of the stream whose turn it
/// is (FairQueue). Control is state rather than a queue: the newest PONG, WINDOW, CREDIT and HEALTH replace
/// older ones that have not left. Only RESETs and RESULT_ACKs queue.
class Outgoing {
 public:
  /// `head_type` is DELIVER on the relay and RESULT on the agent; `session_window` is the peer's.
  Outgoing(FrameType head_type, std::uint64_t session_window)
      : head_type_(head_type), session_(session_window) {}

  // Control, newest wins
  void ping(std::uint64_t token) { ping_ = token; }
  void pong(std::string_view token) { pong_ = std::string(token); }
  void credit(std::uint64_t total) { credit_ = total; }
  void health(std::string payload) { health_ = std::move(payload); }
  void session_window(std::uint64_t limit) { session_limit_ = limit; }
  void stream_window(Stream& stream) {
    if (!stream.in_windows.is_linked()) windows_.push_back(stream);
  }
  void reset(StreamId stream, ResetCode code) { resets_.push_back({stream, code}); }
  /// Above kAcksMost the oldest is forgotten: losing one costs nothing but the peer's room.
  void acknowledge(const ResultAck& ack);
  void rotate(std::string payload) { rotate_ = std::move(payload); }
  void rotate_ok(std::string payload) { rotate_ok_ = std::move(payload); }
  std::size_t queued_resets() const { return resets_.size(); }
  void goaway(std::string payload) { goaway_ = std::move(payload); }
  bool goaway_waits() const { return goaway_.has_value(); }

  /// stream.head, and stream.body after it.
  void start(Stream& stream) { heads_.push_back(stream); }
  /// A WINDOW has come for it.
  void wake(Stream& stream);
  /// Nothing more of it is wanted.
  void stop(Stream& stream) {
    stream.in_ready.unlink();
    stream.body.reset();
  }
  SendWindow& session() { return session_; }

  /// Nothing that could be sent now. Streams that wait for a window do not count.
  bool empty() const;

  /// Appends frames until `out` has `enough` bytes or nothing can go; a last DATA frame is cut to end there.
  /// `on_sent(stream, ended)` is told of each head and of each stream's last frame, and may
  /// destroy the stream.
  template <class OnSent>
  void produce(std::string& out, std::size_t enough, OnSent on_sent) {
    write_control(out);
    while (out.size() < enough && !heads_.empty()) {
      Stream& stream = heads_.front();
      const bool ended = write_head(out, stream);
      on_sent(stream, ended);
    }
    while (out.size() < enough && session_.available() > 0) {
      Stream* const stream = ready_.front();
      if (stream == nullptr) return;
      if (write_data(out, *stream, enough - out.size())) on_sent(*stream, true);
    }
  }
  /// The last words: control alone.
  void write_control(std::string& out);

 private:
  struct Reset {
    StreamId stream;
    ResetCode code;
  };

  bool can_send_data() const { return !ready_.empty() && session_.available() > 0; }
  bool write_head(std::string& out, Stream& stream);
  bool write_data(std::string& out, Stream& stream, std::size_t room);
  void write_acks(std::string& out);

  static constexpr std::size_t kAcksMost = 8192;

  FrameType head_type_;
  SendWindow session_;
  std::optional<std::uint64_t> ping_;
  std::optional<std::string> pong_;
  std::optional<std::uint64_t> credit_;
  std::optional<std::string> health_;
  std::optional<std::uint64_t> session_limit_;
  std::optional<std::string> goaway_;
  std::optional<std::string> rotate_;
  std::optional<std::string> rotate_ok_;
  std::vector<Reset> resets_;
  std::deque<ResultAck> acks_;
  StreamList<&Stream::in_windows> windows_;
  StreamList<&Stream::in_heads> heads_;
  FairQueue ready_;
};

}  // namespace postern::tunnel
