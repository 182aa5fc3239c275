#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "tunnel-proto/app_health.hpp"
#include "tunnel-proto/frame.hpp"
#include "tunnel-proto/limits.hpp"
#include "tunnel-proto/messages.hpp"
#include "tunnel-proto/outgoing.hpp"
#include "tunnel-proto/stream.hpp"
#include "tunnel-proto/token_bucket.hpp"
#include "tunnel-proto/window_budget.hpp"

namespace postern::tunnel {

enum class Role { relay, agent };

/// What has happened in a session. Take them all after every call that can cause them: receive(), tick(),
/// produce().
struct SessionEvent {
  enum class Kind {
    opened,        ///< agent: DELIVER came; `text` is its head
    answered,      ///< relay: RESULT came; `text` is its head
    readable,      ///< read() has bytes, or the end, that it had not when it was last called
    broken,        ///< the stream is gone: `broken` says how. Not for what this end reset itself
    credit,        ///< relay: credit() has grown from 0
    health,        ///< relay: HEALTH came; `text` is its payload, which can be decoded
    acknowledged,  ///< agent: RESULT_ACK came; `text` is its payload, which can be decoded
    rotate,   ///< ROTATE came; `text` is its payload: relay: a request; agent: nothing, it is asked for one
    rotated,  ///< agent: ROTATE_OK came; `text` is its payload
    going_away,  ///< peer_goaway() says how
    moving,      ///< agent: the relay will go away soon; `text` is the GOAWAY, which can be decoded
    ended,  ///< the session is over, end() says why; the last event. Answers that had come whole can still be
            ///< read
  };
  enum class Broken {
    by_peer,      ///< RESET; `code`
    lost,         ///< the session ended; the peer may have worked on it
    not_started,  ///< it never left this end, or the peer will not start it: safe to send again elsewhere
  };

  Kind kind{};
  StreamId stream = 0;
  std::string text;
  Broken broken{};
  ResetCode code{};
};

/// One authenticated session, either end: frames, streams, windows, credit, life signs. Bytes, calls and
/// times in; bytes and events out; no I/O, no clock, no thread. SPEC.md, sections 4 to 6, says what it does;
/// SessionLimits says how much of it a peer can ask for.
///
/// What a peer can make it hold is bounded: unread bytes by max_deliveries × stream_window + window_growth,
/// one partial frame (80 KiB), and max_deliveries streams with one head each. What it holds to send is
/// bounded by its user (max_deliveries bodies) and max_queued_control.
class Session {
 public:
  struct Settings {
    Role role{};
    SessionLimits limits{};
    std::uint64_t peer_stream_window = kInitialStreamWindow;  ///< as the peer announced it
    std::uint64_t peer_session_window = kInitialSessionWindow;
  };
  Session(const Settings& settings, SteadyTime now);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // --- Wire ---

  /// Bytes of the peer, cut anywhere.
  void receive(std::string_view bytes, SteadyTime now);
  bool has_output() const { return !outgoing_.empty(); }
  /// Appends what may be sent, by priority, until `out` has at least `enough` bytes; overshoots by one frame
  /// at most, and by control frames. After the end only the GOAWAY that says so is left to send.
  void produce(std::string& out, std::size_t enough);
  /// The writer waits for the peer since `now` / has been able to write again.
  void write_blocked(SteadyTime now);
  void write_progress() { blocked_since_.reset(); }
  /// The connection has gone: ends the session with `error`, sends nothing.
  void lost(Error error);

  void tick(SteadyTime now);         ///< at next_deadline(), or at any time
  SteadyTime next_deadline() const;  ///< moves with traffic; asking again when it has come is enough

  std::optional<SessionEvent> next_event();

  // --- Streams ---

  /// Relay. Streams of one `target` share its turns to send. Errors: `no_credit`, `closed`.
  Result<StreamId> open(std::string head, Body body, std::uint64_t target = 0);
  /// Relay: how many streams can be opened now.
  std::uint32_t credit() const;
  /// Agent: how many deliveries may be in flight from now on. More are granted at once; fewer come about as
  /// those end that are there.
  void grant(std::uint32_t deliveries);
  /// Agent: the answer, whole. Ignored when the stream has gone. Once a stream.
  void answer(StreamId stream, std::string head, Body body);

  /// Agent: which apps can be reached, the whole of it.
  void health(std::span<const AppHealth> apps);
  /// Relay: the outcome of a stream, of this session or another one, is committed.
  void acknowledge(const ResultAck& ack);

  /// Agent: a request. Relay: asks for one when `payload` is empty.
  void rotate(std::string payload);
  void answer_rotate(std::string payload);  ///< relay

  struct Piece {
    std::string bytes;
    bool end = false;  ///< nothing follows
  };
  /// All that has arrived; lets the peer send more. nullopt for a stream that has gone. After `end` on the
  /// relay the stream is gone.
  std::optional<Piece> read(StreamId stream, SteadyTime now);

  /// Ends a stream from this side. True when it had never left this end. Unknown streams are ignored (false).
  bool reset(StreamId stream, ResetCode code);

  // --- Life and the end ---

  /// Relay: the agent is to open another session first. Nothing changes here until somebody goes away.
  void announce(GoAway goaway);
  void go_away(GoAway goaway);  ///< no new streams; `ended` with "drained" once the last has finished
  void close(std::string_view code, std::string_view message);  ///< now; the peer is told
  void probe(SteadyTime now, Duration limit);  ///< PING now, and dead if nothing comes within limit

  bool ended() const { return end_.has_value(); }
  const std::optional<Error>& end() const { return end_; }
  const std::optional<GoAway>& peer_goaway() const { return peer_goaway_; }
  std::uint32_t open_streams() const { return static_cast<std::uint32_t>(streams_.size()); }
  std::uint64_t streams_opened() const { return opened_; }
  std::uint64_t heads() const { return heads_; }        ///< deliveries and results that have begun to come in
  std::uint64_t buffered() const { return buffered_; }  ///< received and unread, all streams
  Duration round_trip() const { return round_trip_; }

 private:
  using Kind = SessionEvent::Kind;
  using Broken = SessionEvent::Broken;

  // session_receive.cpp
  void on_data_header(const FrameReader::Item& item);
  void on_piece(const FrameReader::Item& item);
  void on_frame(const Frame& frame);
  void on_deliver(const Frame& frame);
  void on_result(const Frame& frame);
  void on_reset(const Frame& frame);
  void on_window(const Frame& frame);
  void on_credit(const Frame& frame);
  void on_result_ack(const Frame& frame);
  void on_rotate(const Frame& frame);
  void on_rotate_ok(const Frame& frame);
  void on_health(const Frame& frame);
  void on_ping(const Frame& frame);
  void on_pong(const Frame& frame);
  void on_goaway(const Frame& frame);
  void refuse_above(StreamId last);
  /// The peer names a stream. False, and the session has ended, when that stream has never been.
  bool was_opened(StreamId id);
  Stream* find(StreamId id);
  void noise();
  void sorted(std::uint64_t bytes);

  // session.cpp
  void emit(Kind kind, StreamId stream = 0, std::string text = {});
  void emit_broken(StreamId stream, Broken how, ResetCode code = {});
  void tell_readable(Stream& stream);
  void erase(StreamId id);
  void raise_window(Stream& stream, SteadyTime now);
  bool used_fast(const ReceiveWindow& window, SteadyTime raised_at) const;
  void measure_again();
  void restore_credit();
  void protocol_error(std::string message) { close("protocol", message); }
  void finish(Error error);
  void finish_if_drained();
  void on_sent(Stream& stream, bool ended);
  bool draining() const { return goaway_sent_ || peer_goaway_; }
  void send_ping(SteadyTime now);

  Role role_;
  SessionLimits limits_;
  std::uint64_t peer_stream_window_;
  FrameReader reader_;
  std::unordered_map<StreamId, Stream> streams_;
  Outgoing outgoing_;  // lists of streams_: destroyed first
  std::deque<SessionEvent> events_;

  StreamId next_stream_ = 1;  // relay: the next id; agent: one past the highest seen
  std::uint64_t opened_ = 0;  // streams opened so far, counted against credit_
  std::uint64_t heads_ = 0;
  std::uint64_t credit_;        // the most opened_ may become
  std::uint32_t withheld_ = 0;  // agent: deliveries whose end raises no credit, since fewer are granted now
  bool credit_told_ = false;

  ReceiveWindow session_receive_;
  SteadyTime session_raised_at_;
  WindowBudget budget_;
  std::uint64_t buffered_ = 0;
  StreamId piece_stream_ = 0;  // whose DATA frame is in the middle of arriving; 0: nobody's

  SteadyTime now_;  // of the latest call that told
  SteadyTime last_heard_;
  std::optional<SteadyTime> ping_sent_;
  SteadyTime measured_at_;
  std::uint64_t ping_token_ = 0;
  std::optional<SteadyTime> probe_until_;
  std::optional<SteadyTime> blocked_since_;
  Duration round_trip_{};
  TokenBucket resets_;
  TokenBucket noise_;
  int rotates_ = 0;  // ROTATE that came
  int rotate_oks_ = 0;

  bool goaway_sent_ = false;
  StreamId goaway_last_ = kMaxStream;
  std::optional<GoAway> peer_goaway_;
  std::optional<Error> end_;
};

}  // namespace postern::tunnel
