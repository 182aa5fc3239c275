#pragma once
#include <gtest/gtest.h>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/random.hpp"
#include "tunnel-proto/connection.hpp"
#include "tunnel-proto/handshake.hpp"

/// Both ends of a real connection over loopback, on one loop, with recorders for users.
namespace postern::tunnel {

using Tcp = boost::asio::ip::tcp;

inline std::pair<Tcp::socket, Tcp::socket> tcp_pair(boost::asio::io_context& io) {
  Tcp::acceptor acceptor(io, Tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
  Tcp::socket client(io);
  client.connect(acceptor.local_endpoint());
  Tcp::socket server = acceptor.accept();
  return {std::move(client), std::move(server)};
}

/// One key for all tests of a process: making it costs more than most of them.
inline const TlsIdentity& test_identity() {
  static const TlsIdentity identity = generate_tls_identity("relay.test", SystemClock().now());
  return identity;
}

struct TestRelay : RelayEvents {
  std::function<void(const Hello&, AccountReply)> on_look_up;
  std::function<void(const EnrollRequest&, EnrollReply)> on_enroll;
  std::function<void()> on_opened, on_credit;
  std::optional<Hello> hello;
  bool was_opened = false;
  std::optional<GoAway> goaway;
  std::optional<CloseReason> reason;
  int closed_calls = 0;

  void look_up(const Hello& h, AccountReply reply) override { on_look_up(h, std::move(reply)); }
  void enroll(const Hello&, const Account&, EnrollRequest request, EnrollReply reply) override {
    on_enroll(request, std::move(reply));
  }
  void opened(const Hello& h, const Admission&) override {
    hello = h;
    was_opened = true;
    if (on_opened) on_opened();
  }
  void credit_available() override {
    if (on_credit) on_credit();
  }
  void going_away(const GoAway& g) override { goaway = g; }
  void closed(const CloseReason& r) override {
    reason = r;
    ++closed_calls;
  }
};

struct TestAgent : AgentEvents {
  std::function<void(std::shared_ptr<IncomingDelivery>)> on_delivery;
  std::function<void(AgentId)> on_joinable;
  std::optional<Admission> admission;
  std::optional<AgentId> enrolled_as;
  std::optional<GoAway> goaway;
  std::optional<CloseReason> reason;
  int closed_calls = 0;

  void opened(const Admission& a) override { admission = a; }
  void delivery(std::shared_ptr<IncomingDelivery> d) override { on_delivery(std::move(d)); }
  void joinable(AgentId id) override { on_joinable(id); }
  void enrolled(AgentId id) override { enrolled_as = id; }
  void going_away(const GoAway& g) override { goaway = g; }
  void closed(const CloseReason& r) override {
    reason = r;
    ++closed_calls;
  }
};

/// A relay that knows one agent, that agent, and a wire between them.
class Loopback {
 public:
  Loopback()
      : server_tls(*TlsContext::server(test_identity())),
        pin(*spki_sha256(test_identity().certificate_pem)),
        secret(random.bytes(32)),
        relay_events(std::make_shared<TestRelay>()),
        agent_events(std::make_shared<TestAgent>()) {
    id.uuid.fill(7);
    relay_limits.session.max_deliveries = 1024;
    relay_events->on_look_up = [this](const Hello& hello, const RelayEvents::AccountReply& reply) {
      if (hello.id != id.uuid || hello.kind != Identity::agent) return reply(std::nullopt);
      reply(Account{derive_verifiers(Identity::agent, id.uuid, secret), id, hello.generation + 1,
                    std::nullopt});
    };
  }
  ~Loopback() {
    // Ends what a test left open, so that nothing outlives its loop.
    relay.reset();
    agent.reset();
  }

  void start_relay(Tcp::socket socket) {
    RelayConnection::Options options;
    options.handshake = {"relay-1", std::string(32, 'd')};
    relay = RelayConnection::start(std::move(socket), server_tls, {clock, random, relay_limits}, options,
                                   relay_events);
  }
  void start_agent(Tcp::socket socket) {
    AgentConnection::Credential credential{Identity::agent, id.uuid, secret, {}, 4, "test/1"};
    start_agent(std::move(socket), credential);
  }
  void start_agent(Tcp::socket socket, AgentConnection::Credential credential) {
    agent = AgentConnection::start(std::move(socket), TlsContext::client({pin}),
                                   {clock, random, agent_limits}, std::move(credential), agent_events);
  }
  void start() {
    auto [client, server] = tcp_pair(io);
    start_relay(std::move(server));
    start_agent(std::move(client));
  }
  /// Runs the loop until `done`, for at most ten seconds. True when it came.
  bool run_until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      io.restart();
      io.run_one_for(std::chrono::milliseconds(100));
    }
    return true;
  }
  bool open() {
    start();
    return run_until([this] { return agent_events->admission && relay->credit() > 0; });
  }

  SystemClock clock;
  SystemRandom random;
  TlsContext server_tls;
  std::string pin;
  std::string secret;
  AgentId id;
  ConnectionLimits relay_limits, agent_limits;
  boost::asio::io_context io{1};
  std::shared_ptr<TestRelay> relay_events;
  std::shared_ptr<TestAgent> agent_events;
  std::shared_ptr<RelayConnection> relay;
  std::shared_ptr<AgentConnection> agent;
};

inline DeliverHead test_head() {
  DeliverHead head;
  head.delivery_id.uuid.fill(9);
  head.deadline = std::chrono::seconds(30);
  head.host = "app";
  head.port = 80;
  head.method = "POST";
  head.target = "/hook?a=1";
  head.headers = {{"Content-Type", "application/json"}, {"X-Twice", "1"}, {"x-twice", "2"}};
  return head;
}

inline ResultHead test_result(int status = 200) {
  ResultHead head;
  head.outcome = ResultOutcome::delivered;
  head.status = status;
  return head;
}

inline std::shared_ptr<const std::string> body_of(std::string bytes) {
  return std::make_shared<const std::string>(std::move(bytes));
}

}  // namespace postern::tunnel
