#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <iostream>

#include "base/log.hpp"
#include "tests/bench/tunnel/known_pair.hpp"
#include "tests/bench/tunnel/ours.hpp"
#include "tunnel-proto/relay_connection.hpp"

namespace postern::bench {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr std::size_t kBulkBody = 8 * 1024 * 1024;

tunnel::ConnectionLimits limits() {
  tunnel::ConnectionLimits limits;
  limits.session.max_deliveries = 1024;
  return limits;
}

tunnel::DeliverHead head() {
  tunnel::DeliverHead head;
  head.deadline = std::chrono::seconds(30);
  head.host = "127.0.0.1";
  head.port = 8000;
  head.method = "POST";
  head.target = "/hooks";
  head.headers = {{"Content-Type", "application/json"}};
  return head;
}

/// Keeps so many small deliveries and so much bulk under way until its time is over.
class Loader final : public tunnel::RelayEvents {
 public:
  Loader(asio::io_context& loop, const Load& load)
      : load_(load),
        timer_(loop),
        small_(std::make_shared<const std::string>(load.small, 'x')),
        bulk_(std::make_shared<const std::string>(kBulkBody, 'x')) {}

  void bind(std::shared_ptr<tunnel::RelayConnection> connection) { connection_ = std::move(connection); }

  void look_up(const tunnel::Hello& hello, AccountReply reply) override {
    const auto id = known_agent();
    reply(tunnel::Account{tunnel::derive_verifiers(tunnel::Identity::agent, id.uuid, known_secret()), id,
                          hello.generation + 1, std::nullopt});
  }
  void enroll(const tunnel::Hello&, const tunnel::Account&, tunnel::EnrollRequest, EnrollReply) override {}
  void opened(const tunnel::Hello&, const tunnel::Admission&) override {}
  void going_away(const tunnel::GoAway&) override {}

  void credit_available() override {
    if (began_ != 0) return;
    began_ = nanoseconds() + static_cast<std::int64_t>(load_.warm_up() * 1e9);
    until_ = began_ + static_cast<std::int64_t>(load_.seconds * 1e9);
    for (unsigned n = 0; n < load_.streams; ++n) send_bulk();
    for (unsigned n = 0; n < load_.in_flight; ++n) send_small();
    at(began_, [this] {
      mark();
      at(until_, [this] { finish(); });
    });
  }
  void closed(const tunnel::CloseReason& reason) override {
    if (reason.code != "done")
      log::error("bench.closed", {{"code", reason.code}, {"message", reason.message}});
    timer_.cancel();
    connection_.reset();
  }

 private:
  void deliver(const std::shared_ptr<const std::string>& body, tunnel::RelayConnection::AnswerHandler done) {
    const auto stream = connection_->deliver(head(), body, std::move(done));
    if (!stream) log::error("bench.not_delivered", {{"code", stream.error().code}});
  }

  void send_small() {
    const std::int64_t sent = nanoseconds();
    deliver(small_, [this, sent](const tunnel::DeliveryAnswer& answer) {
      const std::int64_t now = nanoseconds();
      if (now >= until_ || !answer.told) return;
      if (now >= began_) figures_.small.add(now - sent);
      send_small();
    });
  }

  void send_bulk() {
    deliver(bulk_, [this](const tunnel::DeliveryAnswer& answer) {
      if (nanoseconds() < until_ && answer.told) send_bulk();
    });
  }

  /// Of bulk it is what has been written, small requests beside it included: they are next to nothing.
  void mark() {
    if (connection_ && load_.streams > 0) figures_.bytes = connection_->stats().bytes_out - figures_.bytes;
  }

  void at(std::int64_t when, std::function<void()> what) {
    timer_.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(when)));
    timer_.async_wait([what = std::move(what)](const boost::system::error_code& error) {
      if (!error) what();
    });
  }

  void finish() {
    mark();
    figures_.seconds = load_.seconds;
    std::cout << figures_.json() << std::endl;
    if (connection_) connection_->close("done", "The bench is over.");
  }

  const Load load_;
  asio::steady_timer timer_;
  std::shared_ptr<const std::string> small_, bulk_;
  std::shared_ptr<tunnel::RelayConnection> connection_;
  std::int64_t began_ = 0;
  std::int64_t until_ = 0;
  Figures figures_;
};

}  // namespace

int measure_relay_end(const Load& load) {
  asio::io_context loop(1);
  tcp::acceptor acceptor(loop, {asio::ip::make_address("127.0.0.1"), 0});
  const ServerKey key = ServerKey::make();
  const SystemClock clock;
  SystemRandom random;
  const auto loader = std::make_shared<Loader>(loop, load);
  say_ready(acceptor.local_endpoint().port(), key.pin);
  tunnel::RelayConnection::Options options;
  options.handshake.relay_id = "bench";
  options.handshake.decoy_key = random.bytes(32);
  loader->bind(
      tunnel::RelayConnection::start(acceptor.accept(), key.tls, {clock, random, limits()}, options, loader));
  loop.run();
  return 0;
}

}  // namespace postern::bench
