#include "tunnel-proto/relay_end.hpp"

#include <boost/asio/post.hpp>

#include <functional>
#include <utility>

namespace postern::tunnel {
namespace {

/// Two that fall together by accident share their turns, and no more.
std::uint64_t target_of(const DeliverHead& head) {
  return std::hash<std::string_view>()(head.host) * 65'537 + head.port;
}

}  // namespace

std::shared_ptr<RelayConnection> RelayConnection::start(boost::asio::ip::tcp::socket socket,
                                                        const TlsContext& tls, ConnectionEnv env,
                                                        Options options,
                                                        std::shared_ptr<RelayEvents> events) {
  auto end = std::make_shared<RelayEnd>(std::move(socket), tls, env, std::move(options), std::move(events));
  end->start_up();
  return end;
}

RelayEnd::RelayEnd(boost::asio::ip::tcp::socket socket, const TlsContext& tls, const ConnectionEnv& env,
                   Options options, std::shared_ptr<RelayEvents> events)
    : ConnectionEnd(std::move(socket), tls, env, "the agent"),
      options_(std::move(options)),
      events_(std::move(events)) {
  options_.handshake.stream_window = env.limits.session.stream_window;
  options_.handshake.session_window = env.limits.session.session_window;
}

// --- Before the session
// -------------------------------------------------------------------------------------------

void RelayEnd::on_secured() {
  Exporter exporter = [this](std::string_view context) { return Driver::tls().export_key(context); };
  handshake_ = std::make_unique<RelayHandshake>(options_.handshake, std::move(exporter), env().random);
}

void RelayEnd::on_bytes(std::string_view bytes) {
  if (session_) return session_->receive(bytes, now());
  if (enroll_reader_) return receive_enroll(bytes);
  shake_hands(bytes);
}

void RelayEnd::shake_hands(std::string_view bytes) {
  while (!bytes.empty() && handshake_ && !finishing()) {
    std::size_t used = 0;
    auto next = handshake_->receive(bytes, &used);
    bytes.remove_prefix(used);
    step(std::move(next));
  }
  // An agent waits for AUTH_OK before it says more.
  if (!bytes.empty() && !finishing()) end({"protocol", "the agent sent more before it was admitted"});
}

void RelayEnd::step(Result<RelayHandshake::Step> step) {
  plain_ += handshake_->take_output();
  if (!step) return end(step.error());
  if (*step == RelayHandshake::Step::look_up) return look_up();
  if (*step == RelayHandshake::Step::done) admitted();
}

void RelayEnd::look_up() {
  const std::weak_ptr<Driver> self = weak_from_this();
  events_->look_up(handshake_->hello(), [self, on = executor()](std::optional<Account> account) {
    boost::asio::post(on, [self, account = std::move(account)]() mutable {
      if (const auto alive = self.lock()) static_cast<RelayEnd&>(*alive).found(std::move(account));
    });
  });
}

void RelayEnd::found(std::optional<Account> account) {
  if (finishing() || !handshake_ || account_) return;
  account_ = account;
  step(handshake_->found(std::move(account)));
  wake();
}

void RelayEnd::admitted() {
  hello_ = handshake_->hello();
  admission_ = handshake_->admission();
  handshake_.reset();
  if (hello_.kind == Identity::join) {
    return await_enrollment();
  }
  account_.reset();  // its keys are of no more use
  begin_session(Role::relay, hello_.stream_window, hello_.session_window);
  opened_due_ = true;
}

void RelayEnd::receive_enroll(std::string_view bytes) {
  const auto item = enroll_reader_->next(bytes);
  if (!item) return end(item.error());
  if (item->what == FrameReader::What::need_more) return;
  if (item->what != FrameReader::What::frame || item->header.type != FrameType::enroll || !bytes.empty() ||
      enrolling_) {
    return end({"protocol", "a joining agent may send one ENROLL and nothing else"});
  }
  auto request = decode_enroll(item->bytes);
  if (!request) return end(request.error());
  enroll(std::move(*request));
}

void RelayEnd::enroll(EnrollRequest request) {
  enrolling_ = true;
  const std::weak_ptr<Driver> self = weak_from_this();
  events_->enroll(hello_, *account_, std::move(request),
                  [self, on = executor()](std::optional<Refusal> refusal) {
                    boost::asio::post(on, [self, refusal = std::move(refusal)]() mutable {
                      if (const auto alive = self.lock())
                        static_cast<RelayEnd&>(*alive).enrolled(std::move(refusal));
                    });
                  });
}

void RelayEnd::enrolled(std::optional<Refusal> refusal) {
  if (finishing()) return;
  if (refusal) {
    plain_ += encode_enroll_fail(*refusal);
    end({refusal->code, refusal->message});
  } else {
    plain_ += encode_enroll_ok(account_->agent_id);
    end({"enrolled", "the agent has been enrolled"});
  }
  wake();
}

// --- Deliveries
// ---------------------------------------------------------------------------------------------------

Result<StreamId> RelayEnd::deliver(const DeliverHead& head, std::shared_ptr<const std::string> body,
                                   AnswerHandler done) {
  if (!session_ || finishing()) return fail("closed", "the agent's session has ended, or has not begun");
  auto bytes = encode(head, body ? body->size() : 0);
  if (!bytes) return std::unexpected(bytes.error());
  if (body && body->empty()) body.reset();
  const auto stream = session_->open(std::move(*bytes), std::move(body), target_of(head));
  if (!stream) return stream;
  pending_.emplace(*stream, Pending{std::move(done), std::nullopt, {}});
  wake();
  return stream;
}

void RelayEnd::acknowledge(const ResultAck& ack) {
  if (!session_ || finishing()) return;
  session_->acknowledge(ack);
  wake();
}

void RelayEnd::ask_rotation() {
  if (!session_ || finishing()) return;
  session_->rotate({});
  wake();
}

void RelayEnd::on_rotate(const SessionEvent& event) {
  auto request = decode_rotate(event.text);
  if (!request) return session_->close("protocol", request.error().message);
  const std::weak_ptr<Driver> self = weak_from_this();
  const std::uint32_t epoch = request->key_epoch;
  events_->rotate(std::move(*request), [self, epoch, on = executor()](std::optional<Refusal> refusal) {
    boost::asio::post(on, [self, answer = RotateAnswer{epoch, std::move(refusal)}] {
      if (const auto alive = self.lock()) static_cast<RelayEnd&>(*alive).answer_rotate(answer);
    });
  });
}

void RelayEnd::answer_rotate(const RotateAnswer& answer) {
  if (!session_ || finishing()) return;
  session_->answer_rotate(encode(answer));
  wake();
}

void RelayEnd::cancel(StreamId stream) {
  const auto found = pending_.find(stream);
  if (!session_ || found == pending_.end()) return;
  const bool unsent = session_->reset(stream, ResetCode::cancelled);
  DeliveryAnswer answer;
  answer.head.outcome = unsent ? ResultOutcome::not_sent : ResultOutcome::maybe_sent;
  answer.head.error_code = "cancelled";
  answer.head.error_message = "the delivery was given up before an answer came";
  completed_.emplace_back(std::move(found->second.done), std::move(answer));
  pending_.erase(found);
  wake();
}

void RelayEnd::on_event(const SessionEvent& event) {
  switch (event.kind) {
    case SessionEvent::Kind::answered:
      return on_answered(event);
    case SessionEvent::Kind::readable:
      return on_readable(event.stream);
    case SessionEvent::Kind::broken:
      return on_broken(event);
    case SessionEvent::Kind::credit:
      return events_->credit_available();
    case SessionEvent::Kind::health:
      return events_->health(*decode_health(event.text));
    case SessionEvent::Kind::going_away:
      return events_->going_away(*session_->peer_goaway());
    case SessionEvent::Kind::ended:
      return end(*session_->end());
    case SessionEvent::Kind::rotate:
      return on_rotate(event);
    case SessionEvent::Kind::opened:
    case SessionEvent::Kind::acknowledged:
    case SessionEvent::Kind::moving:
    case SessionEvent::Kind::rotated:
      return;
  }
}

void RelayEnd::on_answered(const SessionEvent& event) {
  const auto found = pending_.find(event.stream);
  if (found == pending_.end()) return;
  auto head = decode_result(event.text);
  if (head) {
    found->second.head = std::move(*head);
    return;
  }
  session_->reset(event.stream, ResetCode::bad_head);
  give_up(event.stream, ResultOutcome::maybe_sent, "bad_result", head.error().message);
}

void RelayEnd::on_readable(StreamId stream) {
  auto piece = session_->read(stream, now());
  const auto found = pending_.find(stream);
  if (!piece || found == pending_.end()) return;
  Pending& pending = found->second;
  const bool over = pending.body.size() + piece->bytes.size() > options_.max_answer;
  pending.body.append(piece->bytes, 0, options_.max_answer - pending.body.size());
  if (!piece->end && !over) return;
  if (!piece->end) session_->reset(stream, ResetCode::cancelled);
  pending.head->truncated |= over;
  complete(stream, {std::move(*pending.head), std::move(pending.body), true});
}

void RelayEnd::on_broken(const SessionEvent& event) {
  switch (event.broken) {
    case SessionEvent::Broken::not_started:
      return give_up(event.stream, ResultOutcome::not_sent, std::string(kConnectionLost),
                     "the agent's session ended before the delivery was sent");
    case SessionEvent::Broken::lost:
      return give_up(event.stream, ResultOutcome::maybe_sent, std::string(kConnectionLost),
                     "the agent's session ended before it answered");
    case SessionEvent::Broken::by_peer:
      break;
  }
  if (event.code == ResetCode::refused) {
    return give_up(event.stream, ResultOutcome::not_sent, "agent_refused",
                   "the agent did not start the delivery");
  }
  if (event.code == ResetCode::bad_head) {
    return give_up(event.stream, ResultOutcome::not_sent, "agent_refused",
                   "the agent could not read the delivery");
  }
  give_up(event.stream, ResultOutcome::maybe_sent, "agent_reset",
          "the agent gave up in the middle of the delivery");
}

void RelayEnd::give_up(StreamId stream, ResultOutcome outcome, std::string code, std::string message) {
  DeliveryAnswer answer;
  answer.head.outcome = outcome;
  answer.head.error_code = std::move(code);
  answer.head.error_message = std::move(message);
  complete(stream, std::move(answer));
}

void RelayEnd::complete(StreamId stream, DeliveryAnswer answer) {
  const auto found = pending_.find(stream);
  if (found == pending_.end()) return;
  AnswerHandler done = std::move(found->second.done);
  pending_.erase(found);
  if (done) done(std::move(answer));
}

// --- Turns and the end
// --------------------------------------------------------------------------------------------

void RelayEnd::on_turn() {
  if (!events_) return;
  if (std::exchange(opened_due_, false)) events_->opened(hello_, admission_);
  while (tell_next()) {
  }
  if (!reason()) return;
  const auto events = std::exchange(events_, nullptr);
  events->closed(*reason());
}

bool RelayEnd::tell_next() {
  for (auto& [done, answer] : std::exchange(completed_, {})) {
    if (done) done(std::move(answer));
  }
  const auto event = session_ ? session_->next_event() : std::nullopt;
  if (event) on_event(*event);
  return event.has_value() || !completed_.empty();
}

void RelayEnd::announce(const GoAway& goaway) {
  if (!session_ || finishing()) return;
  session_->announce(goaway);
  wake();
}

void RelayEnd::go_away(const GoAway& goaway) {
  leave(goaway);
}

void RelayEnd::close(std::string_view code, std::string_view message) {
  cut(code, message);
}

ConnectionStats RelayEnd::stats() const {
  return measured();
}

}  // namespace postern::tunnel
