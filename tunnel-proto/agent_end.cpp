#include "tunnel-proto/agent_end.hpp"

#include <utility>

#include "base/bytes.hpp"
#include "tunnel-proto/close_reason.hpp"

namespace postern::tunnel {
namespace {

constexpr std::size_t kMaxFacts = 2048;

}  // namespace

std::shared_ptr<AgentConnection> AgentConnection::start(boost::asio::ip::tcp::socket socket,
                                                        const TlsContext& tls, ConnectionEnv env,
                                                        Credential credential,
                                                        std::shared_ptr<AgentEvents> events) {
  auto end =
      std::make_shared<AgentEnd>(std::move(socket), tls, env, std::move(credential), std::move(events));
  end->start_up();
  return end;
}

AgentEnd::AgentEnd(boost::asio::ip::tcp::socket socket, const TlsContext& tls, const ConnectionEnv& env,
                   Credential credential, std::shared_ptr<AgentEvents> events)
    : Driver(std::move(socket), tls, env),
      credential_(std::move(credential)),
      events_(std::move(events)),
      phase_until_(now() + env.limits.handshake) {}

AgentEnd::~AgentEnd() {
  cleanse(credential_.secret);
}

// --- Before the session
// -------------------------------------------------------------------------------------------

void AgentEnd::on_secured() {
  Hello hello;
  hello.kind = credential_.kind;
  hello.id = credential_.id;
  hello.instance_id = credential_.instance_id;
  hello.generation = credential_.generation;
  hello.stream_window = env().limits.session.stream_window;
  hello.session_window = env().limits.session.session_window;
  hello.software = credential_.software;
  Exporter exporter = [this](std::string_view context) { return Driver::tls().export_key(context); };
  handshake_ = std::make_unique<AgentHandshake>(std::move(hello), credential_.secret, std::move(exporter),
                                                env().random);
  cleanse(credential_.secret);
  plain_ += handshake_->start();
}

void AgentEnd::on_bytes(std::string_view bytes) {
  while (handshake_ && !bytes.empty() && !finishing()) shake_hands(bytes);
  if (finishing() || bytes.empty()) return;
  if (session_) return session_->receive(bytes, now());
  receive_enrolled(bytes);
}

void AgentEnd::shake_hands(std::string_view& bytes) {
  std::size_t used = 0;
  const auto step = handshake_->receive(bytes, &used);
  bytes.remove_prefix(used);
  plain_ += handshake_->take_output();
  if (!step) {
    refusal_ = handshake_->refusal();
    return end(step.error());
  }
  if (*step == AgentHandshake::Step::done) admitted();
}

void AgentEnd::admitted() {
  admission_ = handshake_->admission();
  handshake_.reset();
  due_ = Told::admitted;
  if (credential_.kind == Identity::join) {
    enroll_reader_.emplace(kMaxUnproven);
    phase_until_ = now() + env().limits.enroll;
    return;
  }
  phase_until_ = SteadyTime::max();
  session_ = std::make_unique<Session>(Session::Settings{Role::agent, env().limits.session,
                                                         admission_.stream_window, admission_.session_window},
                                       now());
}

Result<void> AgentEnd::enroll(const EnrollRequest& request) {
  if (!enroll_reader_ || enroll_sent_ || finishing())
    return fail("closed", "this connection cannot enroll now");
  if (request.facts_json.size() > kMaxFacts) return fail("invalid", "the host facts are over 2 KiB");
  enroll_sent_ = true;
  plain_ += encode_enroll(request);
  wake();
  return {};
}

void AgentEnd::receive_enrolled(std::string_view bytes) {
  const auto item = enroll_reader_->next(bytes);
  if (!item) return end(item.error());
  if (item->what == FrameReader::What::need_more) return;
  if (item->what == FrameReader::What::frame && item->header.type == FrameType::enroll_fail) {
    refusal_ = decode_enroll_fail(item->bytes);
    return end({refusal_->code, refusal_->message});
  }
  if (item->what != FrameReader::What::frame || item->header.type != FrameType::enroll_ok || !enroll_sent_) {
    return end({"protocol", "the relay did not answer ENROLL with ENROLL_OK or ENROLL_FAIL"});
  }
  const auto agent_id = decode_enroll_ok(item->bytes);
  if (!agent_id || *agent_id != admission_.agent_id) {
    return end({"protocol", "the relay enrolled another agent than it had named"});
  }
  due_ = Told::enrolled;
  end({"enrolled", "the relay has stored the agent's verifiers"});
}

// --- Deliveries
// ---------------------------------------------------------------------------------------------------

void AgentEnd::on_event(const SessionEvent& event) {
  switch (event.kind) {
    case SessionEvent::Kind::opened:
      return on_opened(event);
    case SessionEvent::Kind::readable:
      if (const auto incoming = find(event.stream)) incoming->readable();
      return;
    case SessionEvent::Kind::broken:
      return on_broken(event);
    case SessionEvent::Kind::going_away:
      return events_->going_away(*session_->peer_goaway());
    case SessionEvent::Kind::ended:
      return end(*session_->end());
    case SessionEvent::Kind::answered:
    case SessionEvent::Kind::credit:
      return;
  }
}

void AgentEnd::on_opened(const SessionEvent& event) {
  auto head = decode_deliver(event.text);
  if (!head) return reset(event.stream, ResetCode::bad_head);
  const auto self = std::static_pointer_cast<AgentEnd>(shared_from_this());
  auto incoming = std::make_shared<IncomingStream>(self, executor(), event.stream, std::move(*head));
  incoming_[event.stream] = incoming;
  events_->delivery(std::move(incoming));
}

void AgentEnd::on_broken(const SessionEvent& event) {
  const auto incoming = find(event.stream);
  incoming_.erase(event.stream);
  if (!incoming) return;
  if (event.broken == SessionEvent::Broken::by_peer) {
    incoming->broken({"cancelled", "the relay has given the delivery up"});
  } else {
    incoming->broken({"connection_lost", "the session with the relay has ended"});
  }
}

std::shared_ptr<IncomingStream> AgentEnd::find(StreamId stream) {
  const auto found = incoming_.find(stream);
  return found == incoming_.end() ? nullptr : found->second.lock();
}

std::optional<Session::Piece> AgentEnd::read(StreamId stream) {
  auto piece = session_->read(stream, now());
  wake();  // a window may have opened
  return piece;
}

void AgentEnd::answer(StreamId stream, std::string head, std::string body) {
  incoming_.erase(stream);
  Body shared = body.empty() ? nullptr : std::make_shared<const std::string>(std::move(body));
  session_->answer(stream, std::move(head), std::move(shared));
  wake();
}

void AgentEnd::reset(StreamId stream, ResetCode code) {
  incoming_.erase(stream);
  session_->reset(stream, code);
  wake();
}

// --- Turns and the end
// --------------------------------------------------------------------------------------------

void AgentEnd::on_turn() {
  if (!events_) return;
  const Told due = std::exchange(due_, Told::nothing);
  if (due == Told::admitted && session_) events_->opened(admission_);
  if (due == Told::admitted && !session_) events_->joinable(admission_.agent_id);
  if (due == Told::enrolled) events_->enrolled(admission_.agent_id);
  while (session_) {
    const auto event = session_->next_event();
    if (!event) break;
    on_event(*event);
  }
  if (!reason_) return;
  const auto events = std::exchange(events_, nullptr);
  events->closed(*reason_);
}

void AgentEnd::produce(std::string& out, std::size_t enough) {
  if (!plain_.empty()) out += std::exchange(plain_, {});
  if (session_) session_->produce(out, enough);
}

void AgentEnd::on_write_blocked(bool blocked) {
  if (!session_) return;
  if (blocked) {
    session_->write_blocked(now());
  } else {
    session_->write_progress();
  }
}

SteadyTime AgentEnd::deadline() const {
  return session_ ? std::min(phase_until_, session_->next_deadline()) : phase_until_;
}

void AgentEnd::on_time() {
  if (now() >= phase_until_) {
    if (session_) return session_->close("drained", "the time for finishing deliveries is over");
    if (enroll_reader_) return end({"enroll_timeout", "joining did not finish in time"});
    return end({"handshake_timeout", "the relay did not authenticate in time"});
  }
  if (session_) session_->tick(now());
}

void AgentEnd::on_gone(Error error) {
  if (session_) return session_->lost(std::move(error));
  end(std::move(error));
}

void AgentEnd::end(Error error) {
  if (reason_) return;
  const std::optional<GoAway> goaway = session_ ? session_->peer_goaway() : std::nullopt;
  reason_ = make_close_reason(error, session_ != nullptr, goaway, refusal_, env().random);
  finish();
}

void AgentEnd::probe(Duration limit) {
  if (!session_ || finishing()) return;
  session_->probe(now(), limit);
  wake();
}

void AgentEnd::go_away(const GoAway& goaway) {
  if (!session_ || finishing()) return;
  session_->go_away(goaway);
  phase_until_ = std::min(phase_until_, now() + env().limits.drain);
  wake();
}

void AgentEnd::close(std::string_view code, std::string_view message) {
  if (finishing()) return;
  if (session_) {
    session_->close(code, message);
  } else {
    end({std::string(code), std::string(message)});
  }
  wake();
}

ConnectionStats AgentEnd::stats() const {
  ConnectionStats stats{bytes_in(), bytes_out(), 0, 0, 0, Duration(0)};
  if (!session_) return stats;
  stats.streams = session_->streams_opened();
  stats.open_streams = session_->open_streams();
  stats.buffered = session_->buffered();
  stats.round_trip = session_->round_trip();
  return stats;
}

}  // namespace postern::tunnel
