#include "relay/tunnel/session_deliveries.hpp"

namespace postern::relay {

void SessionDeliveries::add(AgentDeliveryPtr delivery, SteadyTime until, Done done) {
  if (!connection_ || leaving_) return done(agent_away());
  const bool must_wait = !waiting_.empty() || connection_->credit() == 0;
  if (must_wait && waiting_.size() >= waiting_limit_) {
    return done(not_sent("no_credit", "Too many deliveries wait for this agent already."));
  }
  boost::asio::steady_timer timer(executor_);
  auto item = std::make_shared<Item>(
      Item{std::move(delivery), until, std::move(done), std::move(timer), std::nullopt});
  item->timer.expires_after(std::max(Duration(0), until - clock_.steady()));
  item->timer.async_wait([self = shared_from_this(), item](const boost::system::error_code& ec) {
    if (!ec) self->on_deadline(item);
  });
  waiting_.push_back(std::move(item));
  pump();
}

void SessionDeliveries::pump() {
  while (connection_ && !leaving_ && !waiting_.empty() && connection_->credit() > 0) {
    const ItemPtr item = waiting_.front();
    waiting_.pop_front();
    if (!start(item)) {
      waiting_.push_front(item);
      break;
    }
  }
  if (waiting_.empty()) return measure();
  capacity_ = static_cast<std::uint32_t>(on_wire_);
}

/// Credit comes back a moment after an answer: what the agent once took it takes again, until it is seen not
/// to.
void SessionDeliveries::measure() {
  if (!connection_ || leaving_) {
    capacity_ = 0;
    return;
  }
  const std::uint32_t seen = static_cast<std::uint32_t>(on_wire_) + connection_->credit();
  if (seen > capacity_) capacity_ = seen;
}

/// False when it has to go on waiting.
bool SessionDeliveries::start(const ItemPtr& item) {
  auto answered = [self = shared_from_this(), item](tunnel::DeliveryAnswer answer) {
    --self->on_wire_;
    self->measure();
    if (answer.told && self->answered_) self->answered_();
    self->finish(item, to_answer(std::move(answer), {self->leaving_, self->journal_}));
  };
  AgentDelivery& delivery = *item->delivery;
  delivery.head.deadline = deadline_for_agent(item->until - clock_.steady());
  auto stream = connection_->deliver(delivery.head, delivery.body, std::move(answered));
  if (stream) {
    item->stream = *stream;
    ++on_wire_;
    return true;
  }
  if (stream.error().code == "no_credit") return false;
  finish(item, stream.error().code == "closed" ? agent_away()
                                               : not_sent(stream.error().code, stream.error().message));
  return true;
}

void SessionDeliveries::on_deadline(const ItemPtr& item) {
  if (!item->done) return;
  if (item->stream && connection_) return connection_->cancel(*item->stream);  // and that answers
  std::erase(waiting_, item);
  finish(item, not_sent("no_credit", "The agent granted no room for this delivery before its deadline."));
}

void SessionDeliveries::finish(const ItemPtr& item, AgentAnswer answer) {
  item->timer.cancel();
  if (auto done = std::exchange(item->done, nullptr)) done(std::move(answer));
}

void SessionDeliveries::leave() {
  leaving_ = true;
  for (const ItemPtr& item : std::exchange(waiting_, {})) finish(item, agent_away());
  measure();
}

void SessionDeliveries::end() {
  leave();
  connection_.reset();
  answered_ = {};
}

}  // namespace postern::relay
