#include <boost/asio/io_context.hpp>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "tests/bench/tunnel/known_pair.hpp"
#include "tests/bench/tunnel/ours.hpp"
#include "tunnel-proto/agent_connection.hpp"

namespace postern::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kSmall = 64 * 1024;

asio::awaitable<void> answer(std::shared_ptr<tunnel::IncomingDelivery> delivery) {
  std::size_t size = 0;
  while (true) {
    const auto piece = co_await delivery->read();
    if (!piece) co_return;
    if (piece->empty()) break;
    size += piece->size();
  }
  tunnel::ResultHead head;
  head.outcome = tunnel::ResultOutcome::delivered;
  head.status = 200;
  head.headers = {{"Content-Type", "application/json"}};
  const auto told = delivery->respond(head, std::string(size <= kSmall ? size : 0, 'y'));
  if (!told) log::debug("bench.not_answered", {{"code", told.error().code}});
}

class Answers final : public tunnel::AgentEvents {
 public:
  explicit Answers(asio::io_context& loop) : loop_(loop) {}
  void opened(const tunnel::Admission&) override {}
  void delivery(std::shared_ptr<tunnel::IncomingDelivery> delivery) override {
    spawn(loop_.get_executor(), answer(std::move(delivery)), "bench.answer");
  }
  void going_away(const tunnel::GoAway&) override {}
  void closed(const tunnel::CloseReason& reason) override {
    if (reason.code != "done")
      log::error("bench.closed", {{"code", reason.code}, {"message", reason.message}});
  }

 private:
  asio::io_context& loop_;
};

}  // namespace

int serve_agent_end(std::uint16_t port, const std::string& pin) {
  asio::io_context loop(1);
  tcp::socket socket(loop);
  socket.connect({asio::ip::make_address("127.0.0.1"), port});
  const SystemClock clock;
  SystemRandom random;
  tunnel::ConnectionLimits limits;
  limits.session.max_deliveries = 256;
  limits.session.budget = std::make_shared<tunnel::ByteBudget>(64 * 1024 * 1024);
  tunnel::AgentConnection::Credential credential;
  credential.id = known_agent().uuid;
  credential.secret = known_secret();
  credential.software = "bench";
  const auto events = std::make_shared<Answers>(loop);
  const auto tls = tunnel::TlsContext::client({pin});
  const auto connection =
      tunnel::AgentConnection::start(std::move(socket), tls, {clock, random, limits}, credential, events);
  loop.run();
  return 0;
}

}  // namespace postern::bench
