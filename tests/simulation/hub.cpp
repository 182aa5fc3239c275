#include "tests/simulation/hub.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace postern::simulation {

namespace asio = boost::asio;
using relay::AgentAnswer;

namespace {

constexpr std::size_t kMostWaiting = 64;
constexpr int kSessionsTried = 4;

asio::awaitable<AgentAnswer> deliver_on(std::shared_ptr<relay::SessionDeliveries> deliveries,
                                        relay::AgentDeliveryPtr delivery, SteadyTime until) {
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [executor, deliveries, until, delivery = std::move(delivery)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto guarded = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    deliveries->add(std::move(delivery), until, [shared, guarded](AgentAnswer answer) {
      asio::post(guarded, [shared, answer = std::move(answer)]() mutable { (*shared)(std::move(answer)); });
    });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(AgentAnswer)>(
      std::move(initiate), asio::use_awaitable);
}

bool may_go_on(const AgentAnswer& answer) {
  return answer.resumes || (answer.outcome == relay::Outcome::not_sent && answer.error_code == "agent_away");
}

}  // namespace

SimulatedHub::~SimulatedHub() {
  for (const SessionPtr& session : all_) {
    session->connection->drop();
    session->deliveries->end();
  }
}

void SimulatedHub::connected(const std::shared_ptr<Connection>& connection,
                             const std::shared_ptr<Link>& link) {
  auto session = std::make_shared<Session>();
  session->connection = std::make_shared<SimulatedRelayConnection>(machine_, connection);
  session->deliveries =
      std::make_shared<relay::SessionDeliveries>(loop_.context().get_executor(), clock_, kMostWaiting);
  session->deliveries->open(session->connection, true, {});
  all_.push_back(session);
  session->connection->open(link, {[deliveries = session->deliveries] { deliveries->credit_available(); },
                                   [this, weak = std::weak_ptr(session)] {
                                     if (const auto ended = weak.lock()) closed(ended);
                                   }});
  const SessionPtr older = std::exchange(session_, session);
  if (older) older->deliveries->leave();
  if (older) older->connection->close("replaced", "a newer session has taken over");
  if (!older) listener_({}, true);
}

void SimulatedHub::closed(const SessionPtr& session) {
  session->deliveries->end();
  std::erase(all_, session);
  if (session != session_) return;
  session_.reset();
  listener_({}, false);
}

void SimulatedHub::go_away() {
  const SessionPtr leaving = std::exchange(session_, nullptr);
  if (!leaving) return;
  listener_({}, false);
  leaving->deliveries->leave();
  leaving->connection->go_away({"shutdown", "the relay is stopping", {}, {}});
}

/// As Hub does it.
asio::awaitable<AgentAnswer> SimulatedHub::deliver(AgentId, relay::AgentRequest request) {
  const SteadyTime until = clock_.steady() + request.deadline;
  const relay::AgentDeliveryPtr delivery = relay::to_delivery(std::move(request));
  AgentAnswer answer = relay::agent_away();
  SessionPtr last;
  for (int i = 0; i < kSessionsTried && may_go_on(answer); ++i) {
    if (!session_ || session_ == last) break;
    last = session_;
    AgentAnswer next = co_await deliver_on(last->deliveries, delivery, until);
    if (answer.resumes && next.outcome == relay::Outcome::not_sent) break;
    answer = std::move(next);
  }
  co_return answer;
}

void SimulatedHub::acknowledge(AgentId, DeliveryId delivery, unsigned attempt) {
  if (session_) session_->connection->acknowledge({delivery, attempt});
}

}  // namespace postern::simulation
