#include "relay/tunnel/session_probe.hpp"

namespace postern::relay {
namespace {

constexpr int kPassed = 204;

tunnel::DeliverHead probe_head(Random& random) {
  tunnel::DeliverHead head;
  head.probe = true;
  Uuid id;
  random.fill(reinterpret_cast<char*>(id.data()), id.size());
  head.delivery_id = DeliveryId{id};
  head.deadline = ProbePolicy::kLimit;
  head.host = "probe";
  head.port = 1;
  head.method = "GET";
  head.target = "/";
  return head;
}

}  // namespace

SessionProbe::SessionProbe(const boost::asio::any_io_executor& executor, const Clock& clock, Random& random)
    : clock_(clock), random_(random), timer_(executor), policy_(clock.steady()) {}

void SessionProbe::start(std::shared_ptr<tunnel::RelayConnection> connection, Events events) {
  connection_ = std::move(connection);
  events_ = std::move(events);
  ask();
  arm();
}

void SessionProbe::stop() {
  connection_.reset();
  events_ = {};
  timer_.cancel();
}

void SessionProbe::credit_available() {
  if (connection_ && !stream_ && policy_.state() == ProbePolicy::State::new_comer) {
    ask();
    arm();
  }
}

void SessionProbe::heard() {
  if (!connection_) return;
  const auto before = policy_.state();
  policy_.heard(clock_.steady());
  tell(before);
}

/// The timer is left where it is when answers move the next probe away: it looks, and is armed again.
void SessionProbe::arm() {
  if (!connection_) return;
  const SteadyTime next = stream_ ? until_ : policy_.next();
  timer_.expires_after(std::max<Duration>(next - clock_.steady(), std::chrono::milliseconds(1)));
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& ec) {
    const auto self = weak.lock();
    if (!ec && self) self->look();
  });
}

void SessionProbe::look() {
  if (!connection_) return;
  const SteadyTime now = clock_.steady();
  if (stream_ && now >= until_) {
    connection_->cancel(*std::exchange(stream_, std::nullopt));
    failed(ProbePolicy::Failure::unanswered);
  } else if (!stream_ && policy_.due(now)) {
    ask();
  }
  arm();
}

void SessionProbe::ask() {
  const SteadyTime now = clock_.steady();
  auto done = [self = shared_from_this(), now](const tunnel::DeliveryAnswer& answer) {
    self->answered(now, answer);
  };
  const auto stream = connection_->deliver(probe_head(random_), nullptr, std::move(done));
  if (!stream && policy_.state() == ProbePolicy::State::new_comer) {
    policy_.put_off(now);
    if (policy_.hopeless() && events_.hopeless) events_.hopeless();
    return;
  }
  if (!stream) return failed(ProbePolicy::Failure::no_credit);
  policy_.asked();
  stream_ = *stream;
  until_ = now + ProbePolicy::kLimit;
}

void SessionProbe::answered(SteadyTime asked_at, const tunnel::DeliveryAnswer& answer) {
  if (!connection_ || !stream_) return;  // it has ended, or this one was given up
  stream_.reset();
  if (answer.told && answer.head.status == kPassed) {
    round_trip_ = std::max<Duration>(clock_.steady() - asked_at, Duration(1));
    heard();
  } else {
    failed(ProbePolicy::Failure::unanswered);
  }
  arm();
}

void SessionProbe::failed(ProbePolicy::Failure failure) {
  const auto before = policy_.state();
  policy_.failed(failure, clock_.steady());
  if (policy_.hopeless() && events_.hopeless) return events_.hopeless();
  tell(before);
}

void SessionProbe::tell(ProbePolicy::State before) {
  if (policy_.state() == before) return;
  if (policy_.state() == ProbePolicy::State::live && events_.live) return events_.live();
  if (policy_.state() == ProbePolicy::State::dark && events_.dark) events_.dark(policy_.why());
}

}  // namespace postern::relay
