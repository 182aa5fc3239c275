#include "agent/link.hpp"

#include <boost/asio/as_tuple.hpp>

namespace postern::agent {

namespace asio = boost::asio;
using asio::ip::tcp;

std::shared_ptr<Link> Link::start(tcp::socket socket, const tunnel::TlsContext& tls,
                                  const tunnel::ConnectionEnv& env,
                                  tunnel::AgentConnection::Credential credential,
                                  std::shared_ptr<Forwarder> forwarder, Told told) {
  auto link = std::make_shared<Link>(socket, env.clock, std::move(forwarder), std::move(told));
  link->connection_ =
      tunnel::AgentConnection::start(std::move(socket), tls, env, std::move(credential), link);
  return link;
}

Link::Link(const tcp::socket& socket, const Clock& clock, std::shared_ptr<Forwarder> forwarder, Told told)
    : clock_(clock),
      forwarder_(std::move(forwarder)),
      told_(std::move(told)),
      news_(const_cast<tcp::socket&>(socket).get_executor(), asio::steady_timer::time_point::max()) {
  boost::system::error_code ignored;
  remote_ = socket.remote_endpoint(ignored);
}

asio::awaitable<void> Link::news() {
  const auto self = shared_from_this();
  const bool was_open = is_open();
  const bool was_moving = moving_;
  const bool had_left = has_left();
  const auto token = asio::as_tuple(asio::use_awaitable);
  while (!over_ && is_open() == was_open && moving_ == was_moving && has_left() == had_left)
    co_await news_.async_wait(token);
}

void Link::leave(std::string_view code, std::string_view message) {
  if (!connection_) return;
  if (is_open()) return connection_->go_away({std::string(code), std::string(message), {}, {}});
  cut(message);
}

void Link::cut(std::string_view message) {
  if (connection_) connection_->close("closed_by_us", message);
}

void Link::probe(Duration limit) {
  if (connection_) connection_->probe(limit);
}

void Link::grant(std::uint32_t deliveries) {
  if (connection_) connection_->grant(deliveries);
}

void Link::opened(const tunnel::Admission& admission) {
  opened_at_ = clock_.steady();
  generation_ = admission.generation;
  told_.opened(admission);
  tell();
}

void Link::delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) {
  if (delivery->head().probe) probed_at_ = clock_.steady();
  forwarder_->forward(std::move(delivery));
}

void Link::acknowledged(std::span<const tunnel::ResultAck> acks) {
  forwarder_->acknowledged(acks);
}

void Link::rotate(const tunnel::RotateRequest& request) {
  if (!is_open() || rotating_ || rotates_sent_ >= tunnel::kRotationsMost) return;
  rotating_ = connection_->rotate(request).has_value();
  ++rotates_sent_;
}

void Link::health(std::span<const tunnel::AppHealth> apps) {
  if (is_open()) connection_->health(apps);
}

void Link::rotation_asked() {
  told_.rotation_asked();
}

void Link::rotated(const tunnel::RotateAnswer& answer) {
  if (std::exchange(rotating_, false)) told_.rotated(answer);
}

void Link::move() {
  if (!is_open()) return;
  moving_ = true;
  tell();
}

void Link::moving(const tunnel::GoAway&) {
  move();
}

void Link::going_away(const tunnel::GoAway& goaway) {
  end_.goaway = goaway;
  tell();
}

SessionEnd Link::end() const {
  SessionEnd end = end_;
  if (over_) return end;
  end.reason.authenticated = true;
  if (end.goaway) end.reason.code = end.goaway->code;
  if (end.goaway) end.reason.message = end.goaway->message;
  if (opened_at_) end.lived = clock_.steady() - *opened_at_;
  return end;
}

void Link::describe(SessionStatus& status, const Clock& clock) const {
  const auto wall = [&](SteadyTime at) { return clock.now() - (clock.steady() - at); };
  const tunnel::ConnectionStats stats = connection_ ? connection_->stats() : tunnel::ConnectionStats();
  status.relay = HostPort{remote_.address().to_string(), remote_.port()}.to_string();
  if (opened_at_) status.since = wall(*opened_at_);
  if (probed_at_) status.probed_at = wall(*probed_at_);
  status.generation = generation_;
  status.round_trip = stats.round_trip;
  status.in_flight = stats.open_streams;
}

void Link::closed(const tunnel::CloseReason& reason) {
  end_.reason = reason;
  if (opened_at_) end_.lived = clock_.steady() - *opened_at_;
  over_ = true;
  connection_.reset();
  told_ = {};
  tell();
}

}  // namespace postern::agent
