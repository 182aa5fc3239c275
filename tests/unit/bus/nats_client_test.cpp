// Against a real nats-server.
#include "relay/bus/nats_client.hpp"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "tests/support/certificate.hpp"
#include "tests/support/nats_server.hpp"

namespace postern::relay {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Kind = NatsAnswer::Kind;

/// Waits for what another thread brings about.
template <class Condition>
bool soon(Condition condition) {
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(1ms);
  }
  return true;
}

/// What subscribers heard.
class Heard {
 public:
  NatsClient::Heard listener() {
    return [this](std::string_view subject, std::string_view bytes) {
      const std::lock_guard lock(mutex_);
      heard_.push_back(fmt::format("{}={}", subject, bytes));
    };
  }
  std::vector<std::string> all() {
    const std::lock_guard lock(mutex_);
    return heard_;
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> heard_;
};

class NatsClientTest : public testing::Test {
 protected:
  std::unique_ptr<NatsClient> make(NatsOptions options = {}) {
    options.servers = {server.url()};
    options.reconnect_most = 50ms;
    return std::make_unique<NatsClient>(std::move(options), metrics);
  }
  std::unique_ptr<NatsClient> connected(NatsOptions options = {}) {
    auto client = make(std::move(options));
    EXPECT_TRUE(soon([&] { return client->connected(); }));
    return client;
  }

  NatsAnswer ask(NatsClient& client, std::string subject, std::string data = "", Duration limit = 10s) {
    std::optional<NatsAnswer> out;
    start(client, std::move(subject), std::move(data), limit, out);
    loop.restart();
    loop.run();
    return out.value_or(NatsAnswer{});
  }
  void start(NatsClient& client, std::string subject, std::string data, Duration limit,
             std::optional<NatsAnswer>& out) {
    asio::co_spawn(loop, client.request({std::move(subject), {}, std::move(data)}, limit),
                   [&out](std::exception_ptr fault, NatsAnswer answer) {
                     if (!fault) out = std::move(answer);
                   });
  }
  void make_stream(NatsClient& client, const std::string& name) {
    const std::string config =
        fmt::format(R"({{"name":"{0}","subjects":["{0}.>"],"storage":"file","retention":"limits"}})", name);
    const NatsAnswer made = ask(client, "$JS.API.STREAM.CREATE." + name, config);
    EXPECT_NE(made.data.find("\"created\""), std::string::npos) << made.data;
  }

  test::NatsServer server;
  prometheus::Registry metrics;
  asio::io_context loop{1};
};

TEST_F(NatsClientTest, JetStreamAcknowledges) {
  auto client = connected();
  make_stream(*client, "shop");
  const NatsAnswer answer = ask(*client, "shop.order", "{}");
  EXPECT_EQ(answer.kind, Kind::answered);
  EXPECT_EQ(answer.data, R"({"stream":"shop", "seq":1})");
  EXPECT_GE(client->max_payload(), 1024U * 1024);
}

TEST_F(NatsClientTest, ASubjectNobodyTakesIsAnsweredAtOnce) {
  auto client = connected();
  EXPECT_EQ(ask(*client, "nobody.here").kind, Kind::no_responders);
}

TEST_F(NatsClientTest, ATimeOutAfterTheWriteMayHaveBeenSent) {
  auto client = connected();
  Heard heard;
  client->subscribe("silent.>", heard.listener());
  ASSERT_TRUE(soon([&] { return client->publish("silent.probe", "?") && !heard.all().empty(); }));
  const NatsAnswer answer = ask(*client, "silent.one", "x", 50ms);
  EXPECT_EQ(answer.kind, Kind::maybe_sent);
  EXPECT_EQ(answer.code, "nats_timeout");
}

TEST_F(NatsClientTest, AnAckAfterTheTimeOutHurtsNobody) {
  auto client = connected();
  make_stream(*client, "shop");
  for (int i = 0; i < 200; ++i) {
    const NatsAnswer answer = ask(*client, "shop.x", "x", Duration(i * 10));
    EXPECT_TRUE(answer.kind == Kind::answered || answer.code == "nats_timeout" ||
                answer.code == "nats_queued")
        << answer.code;
  }
}

TEST_F(NatsClientTest, AMessageThatIsTooLargeIsNotSent) {
  auto client = connected();
  const NatsAnswer answer = ask(*client, "a", std::string(client->max_payload() + 1, 'x'));
  EXPECT_EQ(answer.kind, Kind::not_sent);
  EXPECT_EQ(answer.code, "nats_too_large");
}

TEST_F(NatsClientTest, AwayMeansNotSentAndItComesBackByItself) {
  auto client = connected();
  server.kill();
  ASSERT_TRUE(soon([&] { return !client->connected(); }));
  const NatsAnswer away = ask(*client, "a");
  EXPECT_EQ(away.kind, Kind::not_sent);
  EXPECT_EQ(away.code, "nats_away");
  EXPECT_FALSE(client->publish("a", "b"));
  server.restart();
  ASSERT_TRUE(soon([&] { return client->connected(); }));
  EXPECT_EQ(ask(*client, "a").kind, Kind::no_responders);
}

TEST_F(NatsClientTest, AConnectionLostBeforeTheAnswerMayHaveBeenSent) {
  auto client = connected();
  Heard heard;
  client->subscribe("silent.>", heard.listener());
  std::optional<NatsAnswer> out;
  ASSERT_TRUE(soon([&] { return client->publish("silent.probe", "?") && !heard.all().empty(); }));
  const std::size_t before = heard.all().size();
  start(*client, "silent.one", "x", 30s, out);
  loop.poll();
  ASSERT_TRUE(soon([&] { return heard.all().size() > before; }));
  server.kill();
  loop.run();
  EXPECT_EQ(out->kind, Kind::maybe_sent);
  EXPECT_EQ(out->code, "nats_connection_lost");
}

TEST_F(NatsClientTest, TriesItsServersInTurn) {
  test::NatsServer gone;
  gone.kill();
  for (int i = 0; i < 4; ++i) {
    NatsOptions options;
    options.servers = {gone.url(), server.url()};
    options.reconnect_most = 20ms;
    NatsClient client(std::move(options), metrics);
    EXPECT_TRUE(soon([&] { return client.connected(); }));
  }
}

TEST_F(NatsClientTest, ClosedMeansAway) {
  auto client = connected();
  client->close();
  EXPECT_FALSE(client->connected());
  EXPECT_EQ(ask(*client, "a").code, "nats_away");
}

TEST_F(NatsClientTest, SubscribersHearAcrossConnections) {
  auto speaker = connected();
  auto listener = make();
  Heard heard;
  listener->subscribe("wake.*", heard.listener());  // before it is connected
  ASSERT_TRUE(soon([&] { return speaker->publish("wake.node1", "go") && !heard.all().empty(); }));
  EXPECT_EQ(heard.all()[0], "wake.node1=go");
  server.restart();
  ASSERT_TRUE(soon([&] {
    speaker->publish("wake.node2", "again");
    return heard.all().back() == "wake.node2=again";
  }));
}

TEST_F(NatsClientTest, ASilentServerHoldsUpTheEndForTheTimeToConnect) {
  asio::ip::tcp::acceptor silent(loop, {asio::ip::make_address("127.0.0.1"), 0});
  NatsOptions options;
  options.servers = {fmt::format("nats://127.0.0.1:{}", silent.local_endpoint().port())};
  options.connect_time = 300ms;
  auto client = std::make_unique<NatsClient>(std::move(options), metrics);
  asio::ip::tcp::socket greeted = silent.accept();  // it is waiting for a word now
  EXPECT_FALSE(client->connected());
  const auto began = std::chrono::steady_clock::now();
  client.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, 5s);
}

TEST_F(NatsClientTest, EndsWhileRequestsAreOpenAndWhileNothingAnswers) {
  auto client = connected();
  std::optional<NatsAnswer> out;
  start(*client, "a", "b", 30s, out);
  loop.poll();
  client.reset();
  server.kill();
  auto lonely = make();
  lonely.reset();
}

/// A server that asks for more than a connection.
class StrictNats {
 public:
  explicit StrictNats(std::vector<std::string> arguments) : server(std::move(arguments)) {}

  /// Whether a client gets in with this beginning of the URL.
  bool lets_in(const std::string& before_the_host, std::string ca_file = "") {
    NatsOptions options;
    options.servers = {server.url_as(before_the_host)};
    options.ca_file = std::move(ca_file);
    options.reconnect_most = 10ms;
    NatsClient client(std::move(options), metrics);
    const auto end = std::chrono::steady_clock::now() + 500ms;
    while (!client.connected() && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(1ms);
    return client.connected();
  }

  test::NatsServer server;
  prometheus::Registry metrics;
};

TEST(NatsClientLogin, UserAndPasswordOfTheUrl) {
  StrictNats nats({"--user", "relay", "--pass", "secret"});
  EXPECT_TRUE(nats.lets_in("nats://relay:secret@"));
  EXPECT_FALSE(nats.lets_in("nats://relay:guess@"));
  EXPECT_FALSE(nats.lets_in("nats://"));
}

TEST(NatsClientLogin, TlsNeedsACertificateThatIsTrustedAndNamesTheHost) {
  const test::Certificate good("IP:127.0.0.1,DNS:127.0.0.1");
  StrictNats nats({"--tls", "--tlscert", good.certificate_file(), "--tlskey", good.key_file()});
  EXPECT_TRUE(nats.lets_in("tls://", good.certificate_file()));
  EXPECT_FALSE(nats.lets_in("tls://")) << "nobody vouches for it";
  const test::Certificate other("DNS:other.example");
  EXPECT_FALSE(nats.lets_in("tls://", other.certificate_file()));
  StrictNats stranger({"--tls", "--tlscert", other.certificate_file(), "--tlskey", other.key_file()});
  EXPECT_FALSE(stranger.lets_in("tls://", other.certificate_file())) << "its certificate is another host's";
}

}  // namespace
}  // namespace postern::relay
