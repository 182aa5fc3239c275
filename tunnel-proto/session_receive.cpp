#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "tunnel-proto/big_endian.hpp"
#include "tunnel-proto/session.hpp"

/// The half of the session that believes nothing: every frame is checked whole before anything changes for
/// it.
namespace postern::tunnel {

void Session::receive(std::string_view bytes, SteadyTime now) {
  now_ = now;
  last_heard_ = now;
  probe_until_.reset();
  while (!end_) {
    const auto item = reader_.next(bytes);
    if (!item) return protocol_error(item.error().message);
    switch (item->what) {
      case FrameReader::What::need_more:
        return;
      case FrameReader::What::header:
        on_data_header(*item);
        break;
      case FrameReader::What::piece:
        on_piece(*item);
        break;
      case FrameReader::What::frame:
        on_frame({item->header, item->bytes});
        break;
    }
  }
}

bool Session::was_opened(StreamId id) {
  if (id % 2 == 1 && id < next_stream_) return true;
  protocol_error(fmt::format("a frame for stream {}, which has never been opened", id));
  return false;
}

void Session::noise() {
  if (!noise_.take(now_)) close("excessive_noise", "too many frames that do nothing");
}

// --- DATA
// ---------------------------------------------------------------------------------------------------------

void Session::on_data_header(const FrameReader::Item& item) {
  piece_stream_ = 0;
  if (item.header.type != FrameType::data) return noise();  // unknown, not critical: its payload is skipped
  const FrameHeader& header = item.header;
  if (!was_opened(header.stream)) return;
  if (!session_receive_.take(header.length))
    return close("flow_control", "more bytes than the session's window allows");
  if (header.length == 0 && !header.end()) return noise();
  Stream* stream = find(header.stream);
  if (stream == nullptr) return;  // closed a moment ago: the peer could not know
  if (!stream->head_received || stream->end_received)
    return protocol_error("DATA before its head, or after its end");
  if (!stream->receive.take(header.length))
    return close("flow_control", "more bytes than the stream's window allows");
  piece_stream_ = header.stream;
  if (item.last) on_piece(item);
}

void Session::on_piece(const FrameReader::Item& item) {
  if (item.header.type != FrameType::data) return;
  sorted(item.bytes.size());
  Stream* stream = piece_stream_ == 0 ? nullptr : find(piece_stream_);
  if (stream == nullptr) return;
  stream->unread.append(item.bytes);
  buffered_ += item.bytes.size();
  if (item.last && item.header.end()) stream->end_received = true;
  if (stream->end_received && role_ == Role::relay) outgoing_.stop(*stream);
  tell_readable(*stream);
}

void Session::sorted(std::uint64_t bytes) {
  session_receive_.consume(bytes);
  if (!session_receive_.due()) return;
  if (used_fast(session_receive_, session_raised_at_))
    budget_.grow(session_receive_, limits_.max_session_window);
  session_receive_.raise();
  session_raised_at_ = now_;
  outgoing_.session_window(session_receive_.limit());
}

// --- Whole frames
// -------------------------------------------------------------------------------------------------

void Session::on_frame(const Frame& frame) {
  switch (frame.header.type) {
    case FrameType::deliver:
      return on_deliver(frame);
    case FrameType::result:
      return on_result(frame);
    case FrameType::reset:
      return on_reset(frame);
    case FrameType::window:
      return on_window(frame);
    case FrameType::credit:
      return on_credit(frame);
    case FrameType::result_ack:
      return on_result_ack(frame);
    case FrameType::rotate:
      return on_rotate(frame);
    case FrameType::rotate_ok:
      return on_rotate_ok(frame);
    case FrameType::health:
      return on_health(frame);
    case FrameType::ping:
      return on_ping(frame);
    case FrameType::pong:
      return on_pong(frame);
    case FrameType::goaway:
      return on_goaway(frame);
    default:
      return protocol_error("a handshake frame inside a session");
  }
}

void Session::on_deliver(const Frame& frame) {
  const StreamId id = frame.header.stream;
  if (role_ != Role::agent) return protocol_error("DELIVER from an agent");
  if (id % 2 == 0 || id < next_stream_)
    return protocol_error(fmt::format("stream {} cannot be opened now", id));
  if (opened_ >= credit_) return close("flow_control", "more deliveries than the agent has granted");
  ++opened_;
  next_stream_ = id + 1;
  if (id > goaway_last_)
    return;  // sent before the relay saw GOAWAY, which tells it that this one was not started
  Stream& stream =
      streams_.try_emplace(id, id, peer_stream_window_, limits_.stream_window, now_).first->second;
  budget_.open(limits_.stream_window);
  stream.head_received = true;
  stream.end_received = frame.header.end();
  ++heads_;
  emit(Kind::opened, id, std::string(frame.payload));
  if (stream.end_received) tell_readable(stream);
}

void Session::on_result(const Frame& frame) {
  const StreamId id = frame.header.stream;
  if (role_ != Role::relay) return protocol_error("RESULT from a relay");
  if (!was_opened(id)) return;
  Stream* stream = find(id);
  if (stream == nullptr) return;  // cancelled a moment ago
  if (!stream->head_sent || stream->head_received) return protocol_error("RESULT twice, or before DELIVER");
  stream->head_received = true;
  stream->end_received = frame.header.end();
  ++heads_;
  emit(Kind::answered, id, std::string(frame.payload));
  if (!stream->end_received) return;
  outgoing_.stop(*stream);
  tell_readable(*stream);
}

void Session::on_reset(const Frame& frame) {
  const StreamId id = frame.header.stream;
  if (frame.payload.size() != 4) return protocol_error("RESET is malformed");
  if (!was_opened(id)) return;
  if (!resets_.take(now_)) return close("excessive_resets", "too many resets");
  const Stream* stream = find(id);
  if (stream == nullptr) return;
  if (role_ == Role::relay && !stream->head_sent) return protocol_error("RESET before DELIVER");
  const std::uint32_t number = read_u32(frame.payload);
  const bool known = number >= 1 && number <= static_cast<std::uint32_t>(ResetCode::internal_error);
  emit_broken(id, Broken::by_peer, known ? static_cast<ResetCode>(number) : ResetCode::internal_error);
  erase(id);
  finish_if_drained();
}

void Session::on_window(const Frame& frame) {
  if (frame.payload.size() != 8) return protocol_error("WINDOW is malformed");
  const std::uint64_t limit = read_u64(frame.payload);
  const StreamId id = frame.header.stream;
  if (id == 0) {
    if (!outgoing_.session().raise(limit)) noise();
    return;
  }
  if (!was_opened(id)) return;
  Stream* stream = find(id);
  if (stream == nullptr) return;
  if (!stream->send.raise(limit)) return noise();
  outgoing_.wake(*stream);
}

void Session::on_credit(const Frame& frame) {
  if (role_ != Role::relay || frame.header.stream != 0 || frame.payload.size() != 8) {
    return protocol_error("CREDIT is malformed, or from a relay");
  }
  const std::uint64_t total = read_u64(frame.payload);
  if (total <= credit_) return noise();
  credit_ = total;
  if (credit() == 0 || credit_told_) return;
  credit_told_ = true;
  emit(Kind::credit);
}

void Session::on_result_ack(const Frame& frame) {
  if (role_ != Role::agent || frame.header.stream != 0) return protocol_error("RESULT_ACK is out of place");
  const auto acks = decode_result_acks(frame.payload);
  if (!acks) return protocol_error(acks.error().message);
  emit(Kind::acknowledged, 0, std::string(frame.payload));
}

void Session::on_health(const Frame& frame) {
  if (role_ != Role::relay || frame.header.stream != 0) return protocol_error("HEALTH is out of place");
  const auto apps = decode_health(frame.payload);
  if (!apps) return protocol_error(apps.error().message);
  emit(Kind::health, 0, std::string(frame.payload));
  noise();
}

// --- Rotation
// -----------------------------------------------------------------------------------------------------

void Session::on_rotate(const Frame& frame) {
  const bool request = role_ == Role::relay;
  if (frame.header.stream != 0 || frame.payload.empty() == request)
    return protocol_error("ROTATE is out of place");
  if (++rotates_ > kRotationsMost) return protocol_error("more ROTATE than a session takes");
  emit(Kind::rotate, 0, std::string(frame.payload));
}

void Session::on_rotate_ok(const Frame& frame) {
  if (role_ != Role::agent || frame.header.stream != 0) return protocol_error("ROTATE_OK is out of place");
  if (++rotate_oks_ > kRotationsMost) return protocol_error("more ROTATE_OK than a session takes");
  emit(Kind::rotated, 0, std::string(frame.payload));
}

// --- Life and the end
// ---------------------------------------------------------------------------------------------

void Session::on_ping(const Frame& frame) {
  if (frame.header.stream != 0 || frame.payload.size() != 8) return protocol_error("PING is malformed");
  outgoing_.pong(frame.payload);
  noise();
}

void Session::on_pong(const Frame& frame) {
  if (frame.header.stream != 0 || frame.payload.size() != 8) return protocol_error("PONG is malformed");
  if (!ping_sent_ || read_u64(frame.payload) != ping_token_) return noise();
  const Duration sample = now_ - *ping_sent_;
  round_trip_ = round_trip_ == Duration(0) ? std::max(sample, Duration(1)) : (7 * round_trip_ + sample) / 8;
  ping_sent_.reset();
}

void Session::on_goaway(const Frame& frame) {
  if (frame.header.stream != 0) return protocol_error("GOAWAY on a stream");
  auto goaway = decode_goaway(frame.payload);
  if (!goaway) return protocol_error(goaway.error().message);
  if (goaway->moving) {
    if (role_ == Role::relay) return protocol_error("GOAWAY with a phase comes from a relay only");
    noise();
    if (!end_) emit(Kind::moving, 0, std::string(frame.payload));
    return;
  }
  if (peer_goaway_) {
    noise();
    if (end_) return;
    goaway->last_stream = std::min(goaway->last_stream, peer_goaway_->last_stream);
  }
  peer_goaway_ = *goaway;
  emit(Kind::going_away);
  if (role_ == Role::relay) refuse_above(goaway->last_stream);
  finish_if_drained();
}

void Session::refuse_above(StreamId last) {
  std::vector<StreamId> refused;
  for (const auto& [id, stream] : streams_) {
    if (id > last || !stream.head_sent) refused.push_back(id);
  }
  std::ranges::sort(refused);
  for (const StreamId id : refused) {
    emit_broken(id, Broken::not_started);
    erase(id);
  }
}

}  // namespace postern::tunnel
