#include "tunnel-proto/session.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace postern::tunnel {
namespace {

// A round trip is not believed to be shorter: on a busy machine what follows a frame takes longer than the
// PING of an idle session told.
constexpr Duration kShortestRoundTrip = std::chrono::milliseconds(5);
constexpr Duration kMeasureEvery = std::chrono::seconds(10);

/// Time-outs come in flocks: as many as there are deliveries in flight.
TokenBucket resets_for(const SessionLimits& limits, SteadyTime now) {
  return {limits.reset_burst + limits.max_deliveries, limits.resets_per_second + limits.max_deliveries / 4,
          now};
}

const Error kDrained = {"drained", "every delivery has finished, and the session was to end"};

FrameType head_type(Role role) {
  return role == Role::relay ? FrameType::deliver : FrameType::result;
}

}  // namespace

Session::Session(const Settings& settings, SteadyTime now)
    : role_(settings.role),
      limits_(settings.limits),
      peer_stream_window_(settings.peer_stream_window),
      reader_(kMaxMessage),
      outgoing_(head_type(settings.role), settings.peer_session_window),
      credit_(settings.role == Role::agent ? settings.limits.max_deliveries : 0),
      session_receive_(settings.limits.session_window),
      session_raised_at_(now),
      budget_(settings.limits.window_growth, settings.limits.budget),
      now_(now),
      last_heard_(now),
      resets_(resets_for(settings.limits, now)),
      noise_(settings.limits.noise_burst, settings.limits.noise_per_second, now) {
  if (role_ == Role::agent) outgoing_.credit(credit_);
  send_ping(now);  // the first round trip: windows grow by it
}

// --- Wire
// ---------------------------------------------------------------------------------------------------------

void Session::produce(std::string& out, std::size_t enough) {
  if (end_) return outgoing_.write_control(out);
  outgoing_.produce(out, enough, [this](Stream& stream, bool ended) { on_sent(stream, ended); });
  finish_if_drained();
}

void Session::on_sent(Stream& stream, bool ended) {
  if (ended && role_ == Role::agent) erase(stream.id);
}

void Session::write_blocked(SteadyTime now) {
  now_ = now;
  if (!blocked_since_) blocked_since_ = now;
}

void Session::lost(Error error) {
  if (end_) return;
  // The peer has had enough as soon as its last answer is out, which may be before this end has looked at it.
  const bool all_here =
      std::ranges::all_of(streams_, [](const auto& entry) { return entry.second.end_received; });
  if (goaway_sent_ && role_ == Role::relay && all_here) return finish(kDrained);
  finish(std::move(error));
}

void Session::tick(SteadyTime now) {
  now_ = now;
  if (end_) return;
  if (blocked_since_ && now - *blocked_since_ >= limits_.write_stall) {
    return close("write_stalled", "the peer has taken no bytes for too long");
  }
  if (now - last_heard_ >= limits_.dead_after || (probe_until_ && now >= *probe_until_)) {
    return close("peer_silent", "the peer has sent nothing for too long");
  }
  const bool pinged = ping_sent_ && *ping_sent_ >= last_heard_;
  if (now - last_heard_ < limits_.ping_after || pinged) return;
  send_ping(now);
  budget_.shrink(session_receive_, limits_.session_window);
}

SteadyTime Session::next_deadline() const {
  // An unanswered PING waits for dead_after: nothing to do before.
  const bool pinged = ping_sent_ && *ping_sent_ >= last_heard_;
  SteadyTime next = last_heard_ + (pinged ? limits_.dead_after : limits_.ping_after);
  if (blocked_since_) next = std::min(next, *blocked_since_ + limits_.write_stall);
  if (probe_until_) next = std::min(next, *probe_until_);
  return next;
}

std::optional<SessionEvent> Session::next_event() {
  if (events_.empty()) return std::nullopt;
  SessionEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

// --- Streams
// ------------------------------------------------------------------------------------------------------

std::uint32_t Session::credit() const {
  if (role_ != Role::relay || end_ || draining() || next_stream_ > kMaxStream) return 0;
  const std::uint64_t granted = credit_ > opened_ ? credit_ - opened_ : 0;
  const std::uint64_t room = limits_.max_deliveries - std::min(limits_.max_deliveries, open_streams());
  return static_cast<std::uint32_t>(std::min(granted, room));
}

Result<StreamId> Session::open(std::string head, Body body, std::uint64_t target) {
  if (end_ || draining()) return fail("closed", "the session takes no new deliveries");
  if (credit() == 0) return fail("no_credit", "the agent takes no more deliveries now");
  const StreamId id = next_stream_;
  next_stream_ += 2;
  ++opened_;
  Stream& stream =
      streams_.try_emplace(id, id, peer_stream_window_, limits_.stream_window, now_).first->second;
  budget_.open(limits_.stream_window);
  stream.target = target;
  stream.head = std::move(head);
  stream.body = std::move(body);
  outgoing_.start(stream);
  if (credit() == 0) credit_told_ = false;
  if (next_stream_ > kMaxStream)
    go_away({"streams_exhausted", "this session has used up its stream numbers", {}, {}});
  return id;
}

void Session::grant(std::uint32_t deliveries) {
  if (role_ != Role::agent || end_) return;
  const std::uint32_t before = std::exchange(limits_.max_deliveries, deliveries);
  if (deliveries <= before) {
    withheld_ += before - deliveries;
    return;
  }
  const std::uint32_t more = deliveries - before;
  const std::uint32_t back = std::min(withheld_, more);
  withheld_ -= back;
  resets_ = resets_for(limits_, now_);
  if (goaway_sent_ || more == back) return;
  credit_ += more - back;
  outgoing_.credit(credit_);
}

/// The end of a stream is room for the next one, unless fewer are to be in flight from now on.
void Session::restore_credit() {
  if (withheld_ > 0) {
    --withheld_;
  } else {
    outgoing_.credit(++credit_);
  }
}

void Session::answer(StreamId id, std::string head, Body body) {
  Stream* stream = find(id);
  if (stream == nullptr || stream->head_sent || stream->in_heads.is_linked()) return;
  stream->head = std::move(head);
  stream->body = std::move(body);
  outgoing_.start(*stream);
}

void Session::health(std::span<const AppHealth> apps) {
  if (!end_ && role_ == Role::agent) outgoing_.health(encode(apps));
}

void Session::acknowledge(const ResultAck& ack) {
  if (!end_ && role_ == Role::relay) outgoing_.acknowledge(ack);
}

void Session::rotate(std::string payload) {
  if (!end_) outgoing_.rotate(std::move(payload));
}

void Session::answer_rotate(std::string payload) {
  if (!end_) outgoing_.rotate_ok(std::move(payload));
}

std::optional<Session::Piece> Session::read(StreamId id, SteadyTime now) {
  now_ = now;
  Stream* stream = find(id);
  if (stream == nullptr) return std::nullopt;
  Piece piece{std::exchange(stream->unread, {}), stream->end_received};
  buffered_ -= piece.bytes.size();
  stream->receive.consume(piece.bytes.size());
  stream->readable_told = false;
  if (!piece.end) {
    raise_window(*stream, now);
  } else if (role_ == Role::relay) {
    erase(id);
    finish_if_drained();
  }
  return piece;
}

void Session::raise_window(Stream& stream, SteadyTime now) {
  ReceiveWindow& window = stream.receive;
  if (!window.due()) return;
  if (used_fast(window, stream.raised_at)) budget_.grow(window, limits_.max_stream_window);
  window.raise();
  stream.raised_at = now;
  outgoing_.stream_window(stream);
  measure_again();
}

/// At more than a quarter of it in a round trip.
bool Session::used_fast(const ReceiveWindow& window, SteadyTime raised_at) const {
  if (round_trip_ == Duration(0)) return false;
  using Seconds = std::chrono::duration<double>;
  const Seconds round_trip = std::max(round_trip_, kShortestRoundTrip);
  const double quarters = 4 * static_cast<double>(window.used()) / static_cast<double>(window.window());
  return Seconds(now_ - raised_at) < quarters * round_trip;
}

/// Bytes flow, so nobody is silent and nobody asks.
void Session::measure_again() {
  if (!ping_sent_ && now_ - measured_at_ >= kMeasureEvery) send_ping(now_);
}

bool Session::reset(StreamId id, ResetCode code) {
  Stream* stream = find(id);
  if (stream == nullptr) return false;
  const bool unsent = role_ == Role::relay && !stream->head_sent;
  if (unsent) {
    --opened_;  // the agent never saw it
  } else {
    outgoing_.reset(id, code);
  }
  erase(id);
  // All that is in flight may time out in one moment, before the writer has had its turn.
  if (outgoing_.queued_resets() > std::max<std::size_t>(limits_.max_queued_control, limits_.max_deliveries)) {
    close("write_stalled", "the peer does not read, and too much waits for it");
  }
  finish_if_drained();
  return unsent;
}

void Session::erase(StreamId id) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  const Stream& stream = found->second;
  buffered_ -= stream.unread.size();
  budget_.close(limits_.stream_window, stream.receive.window());
  if (piece_stream_ == id) piece_stream_ = 0;
  streams_.erase(found);
  if (role_ == Role::agent && !goaway_sent_ && !end_) restore_credit();
  if (role_ == Role::relay && !credit_told_ && credit() > 0) {
    credit_told_ = true;
    emit(Kind::credit);
  }
}

Stream* Session::find(StreamId id) {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : &found->second;
}

// --- Life and the end
// ---------------------------------------------------------------------------------------------

void Session::send_ping(SteadyTime now) {
  ping_sent_ = measured_at_ = now;
  outgoing_.ping(++ping_token_);
}

void Session::probe(SteadyTime now, Duration limit) {
  now_ = now;
  if (end_) return;
  probe_until_ = now + limit;
  send_ping(now);
}

void Session::announce(GoAway goaway) {
  if (end_ || goaway_sent_ || peer_goaway_) return;
  goaway.moving = true;
  goaway.last_stream = kMaxStream;
  outgoing_.goaway(encode(goaway));
}

void Session::go_away(GoAway goaway) {
  if (end_ || goaway_sent_) return;
  goaway_sent_ = true;
  goaway.moving = false;
  goaway_last_ = role_ == Role::agent ? next_stream_ - 1 : kMaxStream;
  goaway.last_stream = goaway_last_;
  outgoing_.goaway(encode(goaway));
}

void Session::close(std::string_view code, std::string_view message) {
  if (end_) return;
  GoAway goaway{std::string(code), std::string(message), {}, {}};
  goaway.last_stream = role_ == Role::agent ? std::min(goaway_last_, next_stream_ - 1) : kMaxStream;
  outgoing_.goaway(encode(goaway));
  finish({std::string(code), std::string(message)});
}

void Session::finish(Error error) {
  end_ = std::move(error);
  // An answer that has come whole is an answer, whatever happened after it: its reader still gets it.
  std::vector<StreamId> broken;
  for (const auto& [id, stream] : streams_) {
    if (role_ == Role::agent || !stream.end_received) broken.push_back(id);
  }
  std::ranges::sort(broken);
  for (const StreamId id : broken) {
    const bool unsent = role_ == Role::relay && !streams_.at(id).head_sent;
    emit_broken(id, unsent ? Broken::not_started : Broken::lost);
    erase(id);
  }
  budget_.shrink(session_receive_, limits_.session_window);
  emit(Kind::ended);
}

void Session::finish_if_drained() {
  if (end_ || !draining() || !streams_.empty() || outgoing_.goaway_waits()) return;
  if (goaway_sent_) {
    finish(kDrained);
  } else {
    finish({peer_goaway_->code, peer_goaway_->message});
  }
}

void Session::emit(Kind kind, StreamId stream, std::string text) {
  SessionEvent& event = events_.emplace_back();
  event.kind = kind;
  event.stream = stream;
  event.text = std::move(text);
}

void Session::emit_broken(StreamId stream, Broken how, ResetCode code) {
  emit(Kind::broken, stream);
  events_.back().broken = how;
  events_.back().code = code;
}

void Session::tell_readable(Stream& stream) {
  if (std::exchange(stream.readable_told, true)) return;
  emit(Kind::readable, stream.id);
}

}  // namespace postern::tunnel
