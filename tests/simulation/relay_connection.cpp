#include "tests/simulation/relay_connection.hpp"

namespace postern::simulation {

using tunnel::ResultOutcome;
using Kind = tunnel::SessionEvent::Kind;

namespace {

tunnel::DeliveryAnswer made_up(ResultOutcome outcome, std::string_view code) {
  tunnel::DeliveryAnswer answer;
  answer.head.outcome = outcome;
  answer.head.error_code = code;
  return answer;
}

}  // namespace

void SimulatedRelayConnection::open(const std::shared_ptr<Link>& link, Events events) {
  events_ = std::move(events);
  connection_->open(link, [weak = weak_from_this()](const tunnel::SessionEvent& event) {
    if (const auto self = weak.lock()) self->on_event(event);
  });
}

void SimulatedRelayConnection::drop() {
  events_ = {};
  connection_->drop();
  // Those who wait hold the session that they wait for.
  const auto pending = std::exchange(pending_, {});
  const auto cancelled = std::exchange(cancelled_, {});
}

/// What is called in one turn of the loop leaves together, and nobody is called back from inside his call.
void SimulatedRelayConnection::wake() {
  if (std::exchange(woken_, true)) return;
  machine_.after(Duration(0), [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->turn();
  });
}

void SimulatedRelayConnection::turn() {
  woken_ = false;
  for (auto& [done, answer] : std::exchange(cancelled_, {})) done(std::move(answer));
  connection_->turn();
}

Result<tunnel::StreamId> SimulatedRelayConnection::deliver(const tunnel::DeliverHead& head,
                                                           std::shared_ptr<const std::string> body,
                                                           AnswerHandler done) {
  if (connection_->ended()) return fail("closed", "the session has ended");
  auto bytes = tunnel::encode(head, body ? body->size() : 0);
  if (!bytes) return std::unexpected(bytes.error());
  if (body && body->empty()) body.reset();
  const auto stream = connection_->session().open(std::move(*bytes), std::move(body), head.port);
  if (!stream) return stream;
  pending_[*stream].done = std::move(done);
  wake();
  return stream;
}

void SimulatedRelayConnection::acknowledge(const tunnel::ResultAck& ack) {
  if (connection_->ended()) return;
  connection_->session().acknowledge(ack);
  wake();
}

void SimulatedRelayConnection::cancel(tunnel::StreamId stream) {
  const auto found = pending_.find(stream);
  if (found == pending_.end()) return;
  const bool unsent = connection_->session().reset(stream, tunnel::ResetCode::cancelled);
  cancelled_.emplace_back(std::move(found->second.done),
                          made_up(unsent ? ResultOutcome::not_sent : ResultOutcome::maybe_sent, "cancelled"));
  pending_.erase(found);
  wake();
}

void SimulatedRelayConnection::go_away(const tunnel::GoAway& goaway) {
  if (connection_->ended()) return;
  connection_->session().go_away(goaway);
  wake();
}

void SimulatedRelayConnection::close(std::string_view code, std::string_view message) {
  if (connection_->ended()) return;
  connection_->session().close(code, message);
  wake();
}

void SimulatedRelayConnection::on_event(const tunnel::SessionEvent& event) {
  if (event.kind == Kind::answered && pending_.contains(event.stream)) {
    auto head = tunnel::decode_result(event.text);
    if (!head) throw Violation("an answer that nobody can read");
    pending_.at(event.stream).head = std::move(*head);
  }
  if (event.kind == Kind::readable) on_readable(event.stream);
  if (event.kind == Kind::broken) on_broken(event);
  if (event.kind == Kind::credit && events_.credit) events_.credit();
  if (event.kind == Kind::ended && events_.closed) std::exchange(events_.closed, nullptr)();
}

void SimulatedRelayConnection::on_readable(tunnel::StreamId stream) {
  const auto piece = connection_->session().read(stream, machine_.now());
  const auto found = pending_.find(stream);
  if (!piece || found == pending_.end()) return;
  found->second.body += piece->bytes;
  if (!piece->end) return;
  complete(stream, {std::move(*found->second.head), std::move(found->second.body), true});
}

void SimulatedRelayConnection::on_broken(const tunnel::SessionEvent& event) {
  if (event.broken == tunnel::SessionEvent::Broken::by_peer)
    throw Violation("an agent that gives nothing up gave up a stream");
  const bool lost = event.broken == tunnel::SessionEvent::Broken::lost;
  complete(event.stream,
           made_up(lost ? ResultOutcome::maybe_sent : ResultOutcome::not_sent, tunnel::kConnectionLost));
}

void SimulatedRelayConnection::complete(tunnel::StreamId stream, tunnel::DeliveryAnswer answer) {
  const auto found = pending_.find(stream);
  if (found == pending_.end()) return;
  const AnswerHandler done = std::move(found->second.done);
  pending_.erase(found);
  done(std::move(answer));
}

}  // namespace postern::simulation
