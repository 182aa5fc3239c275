#include "tests/support/agent_host/herd.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "agent/reconnect.hpp"
#include "base/log.hpp"
#include "base/spawn.hpp"
#include "base/with_timeout.hpp"

namespace postern::test {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr auto kToken = asio::as_tuple(asio::use_awaitable);
constexpr Duration kConnectTime = std::chrono::seconds(4);

asio::awaitable<void> answer(std::shared_ptr<tunnel::IncomingDelivery> delivery) {
  while (true) {
    const auto piece = co_await delivery->read();
    if (!piece) co_return;
    if (piece->empty()) break;
  }
  tunnel::ResultHead head;
  head.outcome = tunnel::ResultOutcome::delivered;
  head.status = 200;
  const auto told = delivery->respond(head, "ok");
  if (!told) log::debug("herd.not_answered", {{"code", told.error().code}});
}

class Events final : public tunnel::AgentEvents {
 public:
  explicit Events(Herd& herd) : over(herd.loop, asio::steady_timer::time_point::max()), herd_(herd) {}

  void opened(const tunnel::Admission& admission) override {
    opened_at_ = herd_.clock.steady();
    generation = admission.generation;
    ++herd_.connected;
    ++herd_.sessions;
  }
  void delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) override {
    ++herd_.answered;
    spawn(herd_.loop.get_executor(), answer(std::move(delivery)), "herd.answer");
  }
  void going_away(const tunnel::GoAway& goaway) override { end.goaway = goaway; }
  void closed(const tunnel::CloseReason& reason) override {
    end.reason = reason;
    if (opened_at_) {
      end.lived = herd_.clock.steady() - *opened_at_;
      --herd_.connected;
    }
    is_over = true;
    over.cancel();
  }

  asio::steady_timer over;
  bool is_over = false;
  agent::SessionEnd end;
  std::uint64_t generation = 0;

 private:
  Herd& herd_;
  std::optional<SteadyTime> opened_at_;
};

asio::awaitable<error_code> connect(tcp::socket& socket, tcp::endpoint relay) {
  auto [error] = co_await socket.async_connect(relay, kToken);
  co_return error;
}

asio::awaitable<bool> dial(Herd& herd, tcp::socket& socket, asio::ip::address from) {
  error_code error;
  socket.open(tcp::v4(), error);
  if (!error) socket.bind({from, 0}, error);
  if (error) co_return false;
  const auto done = co_await with_timeout(connect(socket, herd.relay), kConnectTime);
  co_return done && !*done;
}

}  // namespace

asio::awaitable<void> keep_session(Herd& herd, HostedAgent agent) {
  agent::ReconnectPolicy policy(herd.random);
  tunnel::AgentConnection::Credential credential;
  credential.id = agent.id.uuid;
  credential.secret = agent.secret;
  credential.software = "agent-host";
  asio::steady_timer nap(herd.loop);
  while (true) {
    agent::SessionEnd end;
    end.reason.code = "connect_failed";
    tcp::socket socket(herd.loop);
    const bool reached = co_await dial(herd, socket, agent.from);
    if (reached) {
      const auto events = std::make_shared<Events>(herd);
      const tunnel::ConnectionEnv env{herd.clock, herd.random, {}};
      const auto connection =
          tunnel::AgentConnection::start(std::move(socket), herd.tls, env, credential, events);
      while (!events->is_over) co_await events->over.async_wait(kToken);
      credential.generation = std::max(credential.generation, events->generation);
      end = events->end;
    }
    nap.expires_after(policy.after(end).wait);
    co_await nap.async_wait(kToken);
  }
}

}  // namespace postern::test
