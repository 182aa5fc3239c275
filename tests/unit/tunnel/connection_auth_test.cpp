// What happens before there is a session, with real TLS: strangers, liars, the slow, and the man in the
// middle.
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "loopback.hpp"
#include "tunnel-proto/tls_socket.hpp"

namespace postern::tunnel {
namespace {

namespace asio = boost::asio;

TEST(ConnectionAuth, UnknownAgentAndWrongSecretLookTheSame) {
  Loopback unknown, wrong;
  auto [client1, server1] = tcp_pair(unknown.io);
  auto [client2, server2] = tcp_pair(wrong.io);
  unknown.start_relay(std::move(server1));
  wrong.start_relay(std::move(server2));
  unknown.start_agent(std::move(client1), {Identity::agent, Uuid{1, 2, 3}, unknown.secret, {}, 0, "test"});
  wrong.start_agent(std::move(client2),
                    {Identity::agent, wrong.id.uuid, std::string(32, 'x'), {}, 0, "test"});
  for (Loopback* loop : {&unknown, &wrong}) {
    ASSERT_TRUE(loop->run_until([&] { return loop->agent_events->reason && loop->relay_events->reason; }));
    EXPECT_EQ(loop->agent_events->reason->code, "auth_failed");
    EXPECT_FALSE(loop->agent_events->reason->retryable);
    EXPECT_FALSE(loop->agent_events->reason->authenticated);
    EXPECT_FALSE(loop->relay_events->was_opened);
  }
  EXPECT_EQ(unknown.agent_events->reason->message, wrong.agent_events->reason->message);
}

TEST(ConnectionAuth, ARefusalIsToldToWhoHasTheSecret) {
  Loopback loop;
  loop.relay_events->on_look_up = [&](const Hello&, const RelayEvents::AccountReply& reply) {
    Account account{derive_verifiers(Identity::agent, loop.id.uuid, loop.secret), loop.id, 1, {}};
    account.refusal = Refusal{"busy", "come back later", true, std::chrono::seconds(3)};
    reply(account);
  };
  loop.start();
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->reason.has_value(); }));
  EXPECT_EQ(loop.agent_events->reason->code, "busy");
  EXPECT_TRUE(loop.agent_events->reason->retryable);
  EXPECT_EQ(loop.agent_events->reason->retry_after, std::chrono::seconds(3));
}

TEST(ConnectionAuth, ALateAnswerToTheLookUpIsFine) {
  Loopback loop;
  RelayEvents::AccountReply later;
  loop.relay_events->on_look_up = [&](const Hello&, RelayEvents::AccountReply reply) {
    later = std::move(reply);
  };
  loop.start();
  ASSERT_TRUE(loop.run_until([&] { return static_cast<bool>(later); }));
  for (int i = 0; i < 20; ++i) loop.io.poll();
  later(Account{derive_verifiers(Identity::agent, loop.id.uuid, loop.secret), loop.id, 1, {}});
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->admission.has_value(); }));
}

TEST(ConnectionAuth, AnAnswerAfterTheEndIsDropped) {
  Loopback loop;
  RelayEvents::AccountReply later;
  loop.relay_events->on_look_up = [&](const Hello&, RelayEvents::AccountReply reply) {
    later = std::move(reply);
  };
  loop.start();
  ASSERT_TRUE(loop.run_until([&] { return static_cast<bool>(later); }));
  loop.agent->close("closed_by_us", "");
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  loop.relay.reset();
  later(std::nullopt);
  loop.io.poll();
  EXPECT_EQ(loop.relay_events->closed_calls, 1);
}

TEST(ConnectionAuth, AnotherKeyThanThePinnedOneIsRefused) {
  Loopback loop;
  loop.pin = std::string(32, 'p');
  loop.start();
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->reason && loop.relay_events->reason; }));
  EXPECT_EQ(loop.agent_events->reason->code, "pin_mismatch");
  EXPECT_EQ(loop.relay_events->reason->code, "tls_failed");
}

/// How an agent ends that knows the relay of the tests by a CA and a name.
std::string end_by_name(const std::string& host, bool trusted) {
  Loopback loop;
  const std::filesystem::path file =
      std::filesystem::temp_directory_path() / fmt::format("ca-{}.pem", ::getpid());
  const TlsIdentity other = generate_tls_identity("other", SystemClock().now());
  std::ofstream(file) << (trusted ? test_identity() : other).certificate_pem;
  const auto tls = TlsContext::client_by_name(file.string(), host);
  std::filesystem::remove(file);
  auto [client, server] = tcp_pair(loop.io);
  loop.start_relay(std::move(server));
  loop.agent = AgentConnection::start(std::move(client), *tls, {loop.clock, loop.random, loop.agent_limits},
                                      {Identity::agent, loop.id.uuid, loop.secret, {}, 4, "test/1"},
                                      loop.agent_events);
  EXPECT_TRUE(loop.run_until([&] { return loop.agent_events->reason || loop.agent_events->admission; }));
  return loop.agent_events->reason ? loop.agent_events->reason->code : "admitted";
}

TEST(ConnectionAuth, ByNameTheCaAndTheNameDecide) {
  EXPECT_EQ(end_by_name("relay.test", true), "admitted");
  EXPECT_EQ(end_by_name("another.test", true), "untrusted");
  EXPECT_EQ(end_by_name("relay.test", false), "untrusted");
}

TEST(ConnectionAuth, BytesThatAreNotTlsAreRefusedAtOnce) {
  Loopback loop;
  auto [client, server] = tcp_pair(loop.io);
  loop.start_relay(std::move(server));
  asio::write(client, asio::buffer(std::string_view("GET / HTTP/1.1\r\nHost: x\r\n\r\n")));
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  EXPECT_EQ(loop.relay_events->reason->code, "tls_failed");
}

TEST(ConnectionAuth, ClosingBeforeThePeerHasSaidAnythingIsToldAtOnce) {
  Loopback loop;
  auto [to_silent_relay, silent_relay] = tcp_pair(loop.io);
  auto [silent_agent, to_silent_agent] = tcp_pair(loop.io);
  loop.start_agent(std::move(to_silent_relay));
  loop.start_relay(std::move(to_silent_agent));
  int turns = 0;
  ASSERT_TRUE(loop.run_until([&] { return ++turns > 2; }));  // both wait for their peer by now
  loop.agent->close("closed_by_us", "enough");
  loop.relay->close("shutdown", "enough");
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->reason && loop.relay_events->reason; }));
  EXPECT_EQ(loop.agent_events->reason->code, "closed_by_us");
  EXPECT_EQ(loop.relay_events->reason->code, "shutdown");
  EXPECT_EQ(loop.agent_events->closed_calls + loop.relay_events->closed_calls, 2);
}

TEST(ConnectionAuth, ASilentClientIsClosedAtTheDeadline) {
  Loopback loop;
  loop.relay_limits.handshake = std::chrono::milliseconds(60);
  auto [client, server] = tcp_pair(loop.io);
  loop.start_relay(std::move(server));
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  EXPECT_EQ(loop.relay_events->reason->code, "handshake_timeout");
  std::array<char, 16> buffer;
  boost::system::error_code error;
  client.read_some(asio::buffer(buffer), error);
  EXPECT_TRUE(error);
}

/// A client that speaks TLS and then whatever the test likes.
class RawClient {
 public:
  RawClient(Loopback& loop, TlsContext context) : loop_(loop) {
    auto [client, server] = tcp_pair(loop.io);
    loop.start_relay(std::move(server));
    tls_ = std::make_unique<TlsSocket>(std::move(client), context);
  }
  explicit RawClient(Loopback& loop) : RawClient(loop, TlsContext::client({loop.pin})) {}

  TlsSocket::Io handshake() {
    auto io = TlsSocket::Io::want_read;
    loop_.run_until([&] {
      loop_.io.poll();
      io = tls_->handshake();
      return io == TlsSocket::Io::ok || io == TlsSocket::Io::failed;
    });
    return io;
  }
  void send(std::string_view bytes) {
    std::size_t put = 0;
    ASSERT_EQ(tls_->write(bytes, put), TlsSocket::Io::ok);
  }
  TlsSocket& tls() { return *tls_; }

 private:
  Loopback& loop_;
  std::unique_ptr<TlsSocket> tls_;
};

TEST(ConnectionAuth, AHandshakeThatStopsInTheMiddleIsClosedAtTheDeadline) {
  Loopback loop;
  loop.relay_limits.handshake = std::chrono::milliseconds(100);
  RawClient client(loop);
  ASSERT_EQ(client.handshake(), TlsSocket::Io::ok);
  client.send(std::string_view("\x01", 1));  // a drip of life does not buy time
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  EXPECT_EQ(loop.relay_events->reason->code, "handshake_timeout");
}

TEST(ConnectionAuth, FourKibibytesAreAllAStrangerMaySend) {
  Loopback loop;
  loop.relay_events->on_look_up = [](const Hello&, const RelayEvents::AccountReply&) {};
  RawClient client(loop);
  ASSERT_EQ(client.handshake(), TlsSocket::Io::ok);
  client.send(make_frame(FrameType::hello, 0, std::string(4090, 'x')));
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  EXPECT_EQ(loop.relay_events->reason->code, "protocol");
}

TEST(ConnectionAuth, SessionFramesBeforeAuthenticationAreRefused) {
  for (const FrameType type :
       {FrameType::deliver, FrameType::data, FrameType::credit, FrameType::enroll, FrameType{77}}) {
    Loopback loop;
    RawClient client(loop);
    ASSERT_EQ(client.handshake(), TlsSocket::Io::ok);
    client.send(make_frame(type, 0, "12345678"));
    ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
    EXPECT_EQ(loop.relay_events->reason->code, "protocol");
  }
}

TEST(ConnectionAuth, WithoutAlpnThereIsNoConversation) {
  Loopback loop;
  TlsContext context = TlsContext::client({loop.pin});
  SSL_CTX_set_alpn_protos(context.native(), nullptr, 0);
  RawClient client(loop, context);
  client.handshake();
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  EXPECT_EQ(loop.relay_events->reason->code, "tls_failed");
}

TEST(ConnectionAuth, Tls12IsRefused) {
  Loopback loop;
  TlsContext context = TlsContext::client({loop.pin});
  SSL_CTX_set_min_proto_version(context.native(), TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context.native(), TLS1_2_VERSION);
  RawClient client(loop, context);
  EXPECT_EQ(client.handshake(), TlsSocket::Io::failed);
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  EXPECT_EQ(loop.relay_events->reason->code, "tls_failed");
}

/// Copies plaintext between two TLS connections. It even has the relay's own key, so that no pin can notice.
class ManInTheMiddle {
 public:
  explicit ManInTheMiddle(Loopback& loop) : loop_(loop) {
    auto [agent_side, here_a] = tcp_pair(loop.io);
    auto [here_b, relay_side] = tcp_pair(loop.io);
    to_agent_ = std::make_unique<TlsSocket>(std::move(here_a), loop.server_tls);
    to_relay_ = std::make_unique<TlsSocket>(std::move(here_b), TlsContext::client({loop.pin}));
    loop.start_relay(std::move(relay_side));
    loop.start_agent(std::move(agent_side));
  }

  /// Until `done`. `forge_ok` answers the agent's PROOF itself instead of passing it on.
  bool run(const std::function<bool()>& done, bool forge_ok) {
    return loop_.run_until([&] {
      loop_.io.poll();
      if (!ready(*to_agent_, agent_ready_) || !ready(*to_relay_, relay_ready_)) return done();
      pump(*to_agent_, *to_relay_, forge_ok);
      pump(*to_relay_, *to_agent_, false);
      return done();
    });
  }
  int frames_passed() const { return passed_; }

 private:
  static bool ready(TlsSocket& tls, bool& is_ready) {
    if (!is_ready) is_ready = tls.handshake() == TlsSocket::Io::ok;
    return is_ready;
  }
  void pump(TlsSocket& from, TlsSocket& to, bool forge_ok) {
    std::array<char, 4096> buffer;
    std::size_t got = 0;
    if (from.read(buffer.data(), buffer.size(), got) != TlsSocket::Io::ok) return;
    std::size_t put = 0;
    if (forge_ok && buffer[0] == static_cast<char>(FrameType::proof)) {
      (void)from.write(
          make_frame(FrameType::auth_ok, 0, std::string("\x0a\x00\x12\x20", 4) + std::string(32, 'f')), put);
      return;
    }
    ++passed_;
    (void)to.write({buffer.data(), got}, put);
  }

  Loopback& loop_;
  std::unique_ptr<TlsSocket> to_agent_, to_relay_;
  bool agent_ready_ = false, relay_ready_ = false;
  int passed_ = 0;
};

TEST(ConnectionAuth, AManInTheMiddleWithTheRelaysOwnKeyIsRefusedByBothEnds) {
  Loopback loop;
  ManInTheMiddle middle(loop);
  ASSERT_TRUE(middle.run([&] { return loop.agent_events->reason && loop.relay_events->reason; }, false));
  EXPECT_GE(middle.frames_passed(), 3) << "HELLO, CHALLENGE and PROOF went through untouched";
  EXPECT_EQ(loop.relay_events->reason->code, "auth_failed");
  EXPECT_EQ(loop.agent_events->reason->code, "auth_failed");
  EXPECT_FALSE(loop.agent_events->admission);
  EXPECT_FALSE(loop.relay_events->was_opened);
}

TEST(ConnectionAuth, AManInTheMiddleCannotAdmitTheAgentItself) {
  Loopback loop;
  ManInTheMiddle middle(loop);
  ASSERT_TRUE(middle.run([&] { return loop.agent_events->reason.has_value(); }, true));
  EXPECT_EQ(loop.agent_events->reason->code, "relay_not_proven");
  EXPECT_FALSE(loop.agent_events->admission);
}

// --- Joining
// ------------------------------------------------------------------------------------------------------

class Joining : public ::testing::Test {
 protected:
  Joining() {
    join_id_.uuid.fill(5);
    loop_.relay_events->on_look_up = [this](const Hello& hello, const RelayEvents::AccountReply& reply) {
      if (hello.kind != Identity::join || hello.id != join_id_.uuid) return reply(std::nullopt);
      reply(Account{derive_verifiers(Identity::join, join_id_.uuid, secret_), loop_.id, 0, refusal_});
    };
    loop_.agent_events->on_joinable = [this](AgentId id) {
      EXPECT_EQ(id, loop_.id);
      mine_ = derive_verifiers(Identity::agent, id.uuid, std::string(32, 'k'));
      EXPECT_TRUE(loop_.agent->enroll({mine_, R"({"host":"box"})"}));
    };
  }
  void start() {
    auto [client, server] = tcp_pair(loop_.io);
    loop_.start_relay(std::move(server));
    loop_.start_agent(std::move(client), {Identity::join, join_id_.uuid, secret_, {}, 0, "test"});
  }
  bool both_closed() {
    return loop_.run_until([&] { return loop_.agent_events->reason && loop_.relay_events->reason; });
  }

  Loopback loop_;
  JoinId join_id_;
  std::string secret_ = std::string(32, 'j');
  std::optional<Refusal> refusal_;
  Verifiers mine_;
};

TEST_F(Joining, LeavesOnlyVerifiersAtTheRelay) {
  std::optional<EnrollRequest> stored;
  loop_.relay_events->on_enroll = [&](const EnrollRequest& request, const RelayEvents::EnrollReply& reply) {
    stored = request;
    reply(std::nullopt);
  };
  start();
  ASSERT_TRUE(both_closed());
  EXPECT_EQ(loop_.agent_events->enrolled_as, loop_.id);
  EXPECT_EQ(loop_.agent_events->reason->code, "enrolled");
  EXPECT_EQ(loop_.relay_events->reason->code, "enrolled");
  EXPECT_EQ(stored->verifiers.stored_key, mine_.stored_key);
  EXPECT_EQ(stored->verifiers.server_key, mine_.server_key);
  EXPECT_EQ(stored->facts_json, R"({"host":"box"})");
  EXPECT_FALSE(loop_.relay_events->was_opened);
}

TEST_F(Joining, TellsWhyItWasRefused) {
  loop_.relay_events->on_enroll = [&](const EnrollRequest&, const RelayEvents::EnrollReply& reply) {
    reply(Refusal{"conflict", "the join token has been used", false, {}});
  };
  start();
  ASSERT_TRUE(both_closed());
  EXPECT_EQ(loop_.agent_events->reason->code, "conflict");
  EXPECT_FALSE(loop_.agent_events->reason->retryable);
  EXPECT_FALSE(loop_.agent_events->enrolled_as);
}

TEST_F(Joining, AnExpiredTokenIsRefusedBeforeEnroll) {
  refusal_ = Refusal{"expired", "the join token has expired", false, {}};
  start();
  ASSERT_TRUE(both_closed());
  EXPECT_EQ(loop_.agent_events->reason->code, "expired");
}

TEST_F(Joining, EndsWhenTheAgentNeverEnrolls) {
  loop_.relay_limits.enroll = std::chrono::milliseconds(50);
  loop_.agent_events->on_joinable = [](AgentId) {};
  start();
  ASSERT_TRUE(both_closed());
  EXPECT_EQ(loop_.relay_events->reason->code, "enroll_timeout");
}

}  // namespace
}  // namespace postern::tunnel
