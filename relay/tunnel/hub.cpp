#include "relay/tunnel/hub.hpp"

#include <prometheus/gauge.h>

#include <boost/asio/async_result.hpp>

#include "base/log.hpp"
#include "relay/tunnel/agent_answer.hpp"
#include "relay/tunnel/hub_core.hpp"
#include "relay/tunnel/hub_session.hpp"
#include "relay/tunnel/tunnel_listener.hpp"

namespace postern::relay {

namespace asio = boost::asio;

namespace {

constexpr std::uint32_t kStreamsPerSession = 1024;
constexpr auto kDrain = std::chrono::seconds(20);
constexpr std::uint64_t kWindowBudget = 256 * 1024 * 1024;
/// A session can be replaced while a delivery waits for it; more often than this it is not worth following.
constexpr int kSessionsTried = 4;

/// Suspends the caller until its session, on its own loop, has the answer. Cancellation stays out of it: a
/// signal given on the caller's loop must not reach into another's.
asio::awaitable<AgentAnswer> deliver_on(std::shared_ptr<HubSession> session, AgentDeliveryPtr delivery,
                                        SteadyTime until) {
  auto executor = co_await asio::this_coro::executor;
  auto initiate = [executor, session, until, delivery = std::move(delivery)](auto handler) mutable {
    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
    auto guarded = asio::prefer(executor, asio::execution::outstanding_work.tracked);
    session->deliver(std::move(delivery), until, [shared, guarded](AgentAnswer answer) {
      asio::post(guarded, [shared, answer = std::move(answer)]() mutable { (*shared)(std::move(answer)); });
    });
  };
  co_return co_await asio::async_initiate<decltype(asio::use_awaitable), void(AgentAnswer)>(
      std::move(initiate), asio::use_awaitable);
}

/// On another session of the same agent. Each of its processes has places of its own at an app.
bool may_go_on(const AgentAnswer& answer) {
  const bool is_away = answer.outcome == Outcome::not_sent && answer.error_code == "agent_away";
  return answer.resumes || answer.app_full || is_away;
}

}  // namespace

tunnel::ConnectionLimits HubOptions::default_limits() {
  tunnel::ConnectionLimits limits;
  limits.session.max_deliveries = kStreamsPerSession;
  limits.session.budget = std::make_shared<tunnel::ByteBudget>(kWindowBudget);
  limits.drain = kDrain;
  return limits;
}

struct Hub::State {
  std::shared_ptr<HubCore> core;
  std::shared_ptr<TunnelListener> listener;
};

Hub::Hub(std::span<asio::io_context* const> loops, AgentAuthority& authority, TunnelTls tls,
         const Clock& clock, Random& random, prometheus::Registry& metrics, HubOptions options)
    : state_(std::make_shared<State>()) {
  state_->core =
      std::make_shared<HubCore>(authority, std::move(tls), clock, random, metrics, std::move(options));
  state_->listener = std::make_shared<TunnelListener>(loops, state_->core);
}

Hub::~Hub() = default;

Result<asio::ip::tcp::endpoint> Hub::start() {
  return state_->listener->start();
}

void Hub::hand_over(asio::ip::tcp::socket socket) {
  state_->listener->hand_over(std::move(socket));
}

bool Hub::present(AgentId agent) const {
  return state_->core->registry.live(agent);
}

AgentStanding Hub::standing(AgentId agent) const {
  return state_->core->registry.standing(agent);
}

std::optional<std::uint64_t> Hub::generation(AgentId agent) const {
  const SessionRegistry& registry = state_->core->registry;
  if (!registry.live(agent)) return std::nullopt;
  return registry.generation(agent);
}

asio::awaitable<AgentAnswer> Hub::deliver(AgentId agent, AgentRequest request) {
  HubCore& core = *state_->core;
  const SteadyTime until = core.clock.steady() + request.deadline;
  const AgentDeliveryPtr delivery = to_delivery(std::move(request));
  AgentAnswer answer = agent_away();
  SessionRegistry::Wish wish;
  core.metrics.in_flight.Increment();
  for (int i = 0; i < kSessionsTried && may_go_on(answer); ++i) {
    auto session = core.registry.pick(agent, core.random, wish);
    if (!session) break;
    wish.except = session;
    wish.instance = session->seat().instance;  // another session of the process knows what came of it
    AgentAnswer next = co_await deliver_on(std::move(session), delivery, until);
    if (next.app_full) wish.none_of.push_back(*std::exchange(wish.instance, std::nullopt));
    // What the first session may have brought to the app stays so, whatever a second one did not.
    if (answer.resumes && next.outcome == Outcome::not_sent) break;
    answer = std::move(next);
  }
  core.metrics.in_flight.Decrement();
  core.metrics.delivery(answer.outcome);
  co_return answer;
}

void Hub::acknowledge(AgentId agent, DeliveryId delivery, unsigned attempt) {
  for (const auto& session : state_->core->registry.of_each_instance(agent))
    session->acknowledge({delivery, attempt});
}

void Hub::on_presence(std::function<void(AgentId, bool)> listener) {
  state_->core->listeners.push_back(std::move(listener));
}

std::optional<std::string> Hub::app_away(AgentId agent, std::string_view host, std::uint16_t port) const {
  return state_->core->apps.away(agent, host, port);
}

std::optional<unsigned> Hub::app_places(AgentId agent, std::string_view host, std::uint16_t port) const {
  return state_->core->apps.places(agent, host, port);
}

std::vector<tunnel::AppHealth> Hub::apps(AgentId agent) const {
  return state_->core->apps.apps(agent);
}

void Hub::on_app_health(std::function<void(AgentId)> listener) {
  state_->core->health_listeners.push_back(std::move(listener));
}

void Hub::disconnect(AgentId agent, std::string_view reason) {
  state_->core->authority.withdrawn(agent);
  const auto sessions = state_->core->registry.of(agent);
  if (sessions.empty()) return;
  log::info("agent.disconnect", {{"agent", agent}, {"reason", reason}, {"sessions", sessions.size()}});
  for (const auto& session : sessions)
    session->close(std::string(reason), "The relay ended this agent's access.");
}

void Hub::announce() {
  HubCore& core = *state_->core;
  if (core.draining.exchange(true)) return;
  state_->listener->stop();
  const tunnel::GoAway goaway{"shutdown", "The relay will stop.", {}, {}};
  for (const auto& session : core.registry.connections()) session->announce(goaway);
}

void Hub::check_access() {
  for (const auto& session : state_->core->registry.connections()) session->check_access();
}

void Hub::use_tls(TunnelTls tls) {
  state_->core->tls.replace(std::move(tls));
}

void Hub::drain() {
  HubCore& core = *state_->core;
  core.draining = true;
  if (core.gone.exchange(true)) return;
  state_->listener->stop();
  const tunnel::GoAway goaway{"shutdown", "The relay is stopping.", core.options.return_after,
                              core.options.return_spread};
  for (const auto& session : core.registry.connections()) session->go_away(goaway);
}

void Hub::stop() {
  state_->core->draining = true;
  state_->listener->stop();
  for (const auto& session : state_->core->registry.connections())
    session->close("shutdown", "The relay has stopped.");
}

std::size_t Hub::connections() const {
  return state_->core->registry.connection_count();
}
std::size_t Hub::sessions() const {
  return state_->core->registry.session_count();
}

}  // namespace postern::relay
