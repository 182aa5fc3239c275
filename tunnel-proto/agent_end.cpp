#include "tunnel-proto/agent_end.hpp"

#include <utility>

#include "base/bytes.hpp"

namespace postern::tunnel {
namespace {

constexpr std::size_t kMaxFacts = 2048;

std::uint32_t capabilities(const AgentConnection::Credential& credential) {
  return (credential.journal ? kCapabilityJournal : 0U) | (credential.moving ? kCapabilityMoving : 0U) |
         (credential.probe ? kCapabilityProbe : 0U);
}

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
    : ConnectionEnd(std::move(socket), tls, env, "the relay"),
      credential_(std::move(credential)),
      events_(std::move(events)) {}

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
  hello.connection_index = credential_.connection_index;
  hello.capabilities = capabilities(credential_);
  Exporter exporter = [this](std::string_view context) { return Driver::tls().export_key(context); };
  hello.key_epoch = credential_.key_epoch;
  hello.previous_instance_id = credential_.previous_instance_id;
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
    return end(step.error(), handshake_->refusal());
  }
  if (*step == AgentHandshake::Step::done) admitted();
}

void AgentEnd::admitted() {
  admission_ = handshake_->admission();
  handshake_.reset();
  due_ = Told::admitted;
  if (credential_.kind == Identity::join) {
    return await_enrollment();
  }
  begin_session(Role::agent, admission_.stream_window, admission_.session_window);
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
    const Refusal refusal = decode_enroll_fail(item->bytes);
    return end({refusal.code, refusal.message}, refusal);
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
    case SessionEvent::Kind::moving:
      return events_->moving(*decode_goaway(event.text));
    case SessionEvent::Kind::going_away:
      return events_->going_away(*session_->peer_goaway());
    case SessionEvent::Kind::ended:
      return end(*session_->end());
    case SessionEvent::Kind::acknowledged:
      return events_->acknowledged(*decode_result_acks(event.text));
    case SessionEvent::Kind::rotate:
      return events_->rotation_asked();
    case SessionEvent::Kind::rotated:
      return on_rotated(event);
    case SessionEvent::Kind::answered:
    case SessionEvent::Kind::health:
    case SessionEvent::Kind::credit:
      return;
  }
}

void AgentEnd::on_rotated(const SessionEvent& event) {
  const auto answer = decode_rotate_ok(event.text);
  if (!answer) return session_->close("protocol", answer.error().message);
  events_->rotated(*answer);
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
  if (!reason()) return;
  const auto events = std::exchange(events_, nullptr);
  events->closed(*reason());
}

void AgentEnd::grant(std::uint32_t deliveries) {
  if (!session_ || finishing()) return;
  session_->grant(deliveries);
  wake();
}

Result<void> AgentEnd::rotate(const RotateRequest& request) {
  if (!session_ || finishing()) return fail("closed", "there is no session to rotate on");
  session_->rotate(encode(request));
  wake();
  return {};
}

void AgentEnd::health(std::span<const AppHealth> apps) {
  if (!session_ || finishing()) return;
  session_->health(apps);
  wake();
}

void AgentEnd::probe(Duration limit) {
  if (!session_ || finishing()) return;
  session_->probe(now(), limit);
  wake();
}

void AgentEnd::go_away(const GoAway& goaway) {
  leave(goaway);
}

void AgentEnd::close(std::string_view code, std::string_view message) {
  cut(code, message);
}

ConnectionStats AgentEnd::stats() const {
  return measured();
}

}  // namespace postern::tunnel
