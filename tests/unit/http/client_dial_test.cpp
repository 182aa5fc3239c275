// How the client gets to a server: names, the address policy, TLS, cancellation.
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <filesystem>
#include <future>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "tests/support/certificate.hpp"
#include "tests/support/http_listener.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/unit/http/client_fixture.hpp"

namespace postern::http::test {
namespace {

using boost::asio::ip::address;
using postern::test::Certificate;
using postern::test::HttpListener;
using postern::test::ScriptedServer;
using std::chrono::milliseconds;

Response ok(const Request&) {
  return Response{200, {}, "ok", false};
}

struct DialTest : ClientTest {
  HttpListener plain{HttpListener::answering(ok), {}};
};

TEST_F(DialTest, ResolvesNamesAndTriesAddressesInTurn) {
  resolver->table["app.example"] = {"127.0.0.2", "127.0.0.1"};
  // Nobody listens on 127.0.0.2: the connection there is refused at once.
  EXPECT_EQ(shown(send({false, "app.example", plain.port()}, get())), "200");
  EXPECT_EQ(resolver->asked, std::vector<std::string>{"app.example"});
}

TEST_F(DialTest, NeverAsksForALiteralAddress) {
  EXPECT_EQ(shown(send(local(plain.port()), get())), "200");
  EXPECT_TRUE(resolver->asked.empty());
}

TEST_F(DialTest, SaysWhenANameHasNoAddress) {
  resolver->table["empty.example"] = {};
  EXPECT_EQ(shown(send({false, "unknown.example", 80}, get())), "dns_failed nothing");
  EXPECT_EQ(shown(send({false, "empty.example", 80}, get())), "dns_failed nothing");
}

TEST_F(DialTest, ALookUpThatHangsEndsWithTheTimeToConnect) {
  options.connect_time = milliseconds(50);
  EXPECT_EQ(shown(send({false, "never.example", 80}, get())), "connect_timeout nothing");
  EXPECT_EQ(shown(send({false, "never.example", 80}, get(), milliseconds(20))), "timeout nothing");
}

TEST_F(DialTest, AsksThePolicyAboutEveryAddressItWouldDial) {
  std::vector<std::string> asked;
  options.may_dial = [&](const address& at) {
    asked.push_back(at.to_string());
    return at == boost::asio::ip::make_address("127.0.0.1");
  };
  resolver->table["mixed.example"] = {"10.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"};
  EXPECT_EQ(shown(send({false, "mixed.example", plain.port()}, get())), "200");
  EXPECT_EQ(asked, (std::vector<std::string>{"10.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"}));
}

TEST_F(DialTest, RefusesLiteralAddressesToo) {
  options.may_dial = [](const address&) { return false; };
  EXPECT_EQ(shown(send(local(plain.port()), get())), "address_refused nothing");
  EXPECT_EQ(shown(send({false, "::ffff:127.0.0.1", plain.port()}, get())), "address_refused nothing");
}

TEST_F(DialTest, TheSystemsResolverKnowsLocalhost) {
  options.resolver = nullptr;
  EXPECT_EQ(shown(send({false, "localhost", plain.port()}, get())), "200");
}

TEST_F(DialTest, ABurstForOneHostSharesOneLookup) {
  const auto system = system_resolver();
  constexpr int kBurst = 500;  // far more than look-ups there may be at once
  int found = 0;
  for (int i = 0; i < kBurst; ++i) {
    boost::asio::co_spawn(loop, system->resolve("localhost"), [&](std::exception_ptr, auto result) {
      if (result && !result->empty()) ++found;
    });
  }
  loop.restart();
  loop.run();
  EXPECT_EQ(found, kBurst);
}

struct TlsTest : ClientTest {
  explicit TlsTest(const std::string& names = "DNS:app.example,IP:127.0.0.1") : certificate(names) {
    HttpListener::Options listen;
    listen.tls = certificate.server();
    server.emplace(HttpListener::answering([](const Request& r) { return Response{200, {}, r.peer, false}; }),
                   std::move(listen));
    options.ca_file = certificate.certificate_file();
    resolver->table["app.example"] = {"127.0.0.1"};
    resolver->table["other.example"] = {"127.0.0.1"};
  }
  Certificate certificate;
  std::optional<HttpListener> server;
};

TEST_F(TlsTest, VerifiesNamesAndAddresses) {
  EXPECT_EQ(shown(send({true, "app.example", server->port()}, get())), "200");
  EXPECT_EQ(shown(send(local(server->port(), true), get())), "200");
  const auto outcome = send({true, "other.example", server->port()}, get());
  EXPECT_EQ(shown(outcome), "tls_failed nothing");
  EXPECT_NE(outcome.error().error.message.find("hostname mismatch"), std::string::npos)
      << outcome.error().error.message;
}

TEST_F(TlsTest, RefusesAnUnknownAuthorityUnlessToldNotToLook) {
  options.ca_file.clear();
  EXPECT_EQ(shown(send({true, "app.example", server->port()}, get())), "tls_failed nothing");
}

TEST_F(TlsTest, VerificationCanBeTurnedOff) {
  options.ca_file.clear();
  options.verify_tls = false;
  EXPECT_EQ(shown(send({true, "other.example", server->port()}, get())), "200");
}

TEST_F(TlsTest, ReusesConnectionsDespiteSessionTickets) {
  const auto first = send(local(server->port(), true), get());
  const auto second = send(local(server->port(), true), get());
  EXPECT_EQ(first->body, second->body);
}

TEST_F(TlsTest, LargeBodiesBothWays) {
  HttpListener::Options listen;
  listen.tls = certificate.server();
  HttpListener echo(
      HttpListener::answering([](const Request& r) { return Response{200, {}, r.body, false}; }),
      std::move(listen));
  options.body_limit = 1 << 20;
  std::string body(900'000, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31);
  EXPECT_TRUE(send(local(echo.port(), true), post(body))->body == body);
}

TEST_F(TlsTest, AServerThatDoesNotSpeakTlsIsAFailureOfTls) {
  ScriptedServer plain([](ScriptedServer::Peer& peer, int) { peer.send("HTTP/1.1 400 No\r\n\r\n"); });
  EXPECT_EQ(shown(send(local(plain.port(), true), get())), "tls_failed nothing");
}

TEST_F(TlsTest, AHandshakeThatHangsEndsWithTheTimeToConnect) {
  options.connect_time = milliseconds(50);
  ScriptedServer silent([](ScriptedServer::Peer& peer, int) { peer.wait_for_end(); });
  EXPECT_EQ(shown(send(local(silent.port(), true), get())), "connect_timeout nothing");
}

TEST_F(TlsTest, ABrokenListOfAuthoritiesIsSaid) {
  options.ca_file = "/nonexistent/ca.pem";
  const auto outcome = send(local(server->port(), true), get());
  EXPECT_EQ(shown(outcome), "tls_config nothing");
  EXPECT_NE(outcome.error().error.message.find("/nonexistent/ca.pem"), std::string::npos);
}

TEST_F(TlsTest, PlainHttpToATlsListenerIsRefusedWithoutAnAnswer) {
  EXPECT_EQ(shown(send(local(server->port()), get())), "read_failed maybe");
}

std::string key_of(const Certificate& certificate) {
  std::FILE* file = std::fopen(certificate.certificate_file().c_str(), "r");
  X509* read = PEM_read_X509(file, nullptr, nullptr, nullptr);
  std::fclose(file);
  unsigned char* key = nullptr;
  const int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(read), &key);
  std::string hash = sha256({reinterpret_cast<char*>(key), static_cast<std::size_t>(size)});
  OPENSSL_free(key);
  X509_free(read);
  return hash;
}

ClientRequest pinned(std::vector<std::string> pins) {
  ClientRequest request = ClientTest::post("x");
  request.pins = std::move(pins);
  return request;
}

TEST_F(TlsTest, AServerIsKnownByItsKeyWhateverItsCertificateSays) {
  options.ca_file.clear();
  const Origin other{true, "other.example", server->port()};
  const std::string key = key_of(certificate);
  EXPECT_EQ(shown(send(other, pinned({key}))), "200");
  EXPECT_EQ(shown(send(other, pinned({std::string(32, 'n'), key}))), "200");
  EXPECT_EQ(shown(send(other, pinned({}))), "tls_failed nothing")
      << "nor is the pinned connection reused for it";
}

TEST_F(TlsTest, AnotherKeyGetsNotAByteOfTheRequest) {
  const auto outcome = send(local(server->port(), true), pinned({std::string(32, 'n')}));
  EXPECT_EQ(shown(outcome), "tls_pin_mismatch nothing") << "although its certificate is right";
  EXPECT_NE(outcome.error().error.message.find(hex_encode(key_of(certificate))), std::string::npos);
  options.verify_tls = false;
  EXPECT_EQ(shown(send(local(server->port(), true), pinned({std::string(32, 'n')}))),
            "tls_pin_mismatch nothing");
}

TEST_F(TlsTest, AConnectionIsReusedUnderTheSamePinsOnly) {
  const std::string key = key_of(certificate);
  const auto free = send(local(server->port(), true), pinned({}));
  const auto first = send(local(server->port(), true), pinned({key}));
  EXPECT_NE(first->body, free->body);
  EXPECT_EQ(send(local(server->port(), true), pinned({key}))->body, first->body);
  EXPECT_EQ(shown(send(local(server->port(), true), pinned({std::string(32, 'n')}))),
            "tls_pin_mismatch nothing");
}

/// A unix socket in a directory of its own, with a queue of one.
class UnixSocket {
 public:
  UnixSocket() : path(std::string(::mkdtemp(directory_)) + "/app.sock") {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, path.size());
    if (::bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || ::listen(fd_, 0) != 0)
      throw std::runtime_error("cannot listen");
  }
  ~UnixSocket() {
    ::close(fd_);
    std::filesystem::remove_all(directory_);
  }
  UnixSocket(const UnixSocket&) = delete;
  UnixSocket& operator=(const UnixSocket&) = delete;

  /// The head of the one request it answers.
  std::string answer_one() {
    const int peer = ::accept(fd_, nullptr, nullptr);
    std::string head;
    char byte = 0;
    while (!head.ends_with("\r\n\r\n") && ::recv(peer, &byte, 1, 0) == 1) head += byte;
    constexpr std::string_view kAnswer = "HTTP/1.1 204 No\r\nConnection: close\r\n\r\n";
    ::send(peer, kAnswer.data(), kAnswer.size(), MSG_NOSIGNAL);
    ::close(peer);
    return head;
  }

 private:
  char directory_[20] = "/tmp/postern-XXXXXX";
  const int fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

 public:
  const std::string path;
};

struct UnixTest : ClientTest {
  Origin origin() const { return {false, "unix:" + socket.path, 80}; }
  UnixSocket socket;
};

TEST_F(UnixTest, IsDialledOnlyByWhoSaysSo) {
  EXPECT_EQ(shown(send(origin(), get())), "address_refused nothing");
}

TEST_F(UnixTest, IsAServerLikeOthers) {
  options.unix_sockets = true;
  auto head = std::async(std::launch::async, [&] { return socket.answer_one(); });
  EXPECT_EQ(shown(send(origin(), get())), "204");
  EXPECT_EQ(head.get(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
}

TEST_F(UnixTest, WaitsForAPlaceInAFullQueue) {
  options.unix_sockets = true;
  const int first = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);  // takes the one place
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  socket.path.copy(at.sun_path, socket.path.size());
  ASSERT_EQ(::connect(first, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  EXPECT_EQ(shown(send(origin(), get(), milliseconds(30))), "timeout nothing");
  ::close(first);
  auto heads = std::async(std::launch::async, [&] { return socket.answer_one() + socket.answer_one(); });
  EXPECT_EQ(shown(send(origin(), get())), "204");
  EXPECT_EQ(heads.get(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n") << "the first one said nothing";
}

TEST_F(UnixTest, SaysWhatIsMissing) {
  options.unix_sockets = true;
  EXPECT_EQ(shown(send({false, "unix:/nonexistent/app.sock", 80}, get())), "connect_failed nothing");
  EXPECT_EQ(shown(send({false, "unix:/" + std::string(200, 'x'), 80}, get())), "connect_failed nothing");
}

/// Starts an exchange, cancels it once `ready`, and runs the loop until it has ended.
template <class Ready>
bool ends_when_cancelled(boost::asio::io_context& loop, Client& client, Origin origin, Ready ready) {
  boost::asio::cancellation_signal signal;
  bool ended = false;
  boost::asio::co_spawn(loop,
                        client.send(std::move(origin), {"GET", "/", {}, nullptr}, std::chrono::hours(1)),
                        boost::asio::bind_cancellation_slot(
                            signal.slot(), [&](std::exception_ptr, ClientTest::Outcome) { ended = true; }));
  while (!ready()) loop.run_one_for(milliseconds(5));
  signal.emit(boost::asio::cancellation_type::terminal);
  for (int i = 0; i < 1000 && !ended; ++i) loop.run_one_for(milliseconds(10));
  return ended;
}

TEST_F(DialTest, CancellingAbortsALookUp) {
  EXPECT_TRUE(ends_when_cancelled(loop, client(), {false, "never.example", 80},
                                  [&] { return !resolver->asked.empty(); }));
}

TEST_F(DialTest, CancellingAbortsAWaitForTheAnswerAndClosesTheConnection) {
  std::atomic<bool> asked = false;
  std::atomic<bool> closed = false;
  ScriptedServer silent([&](ScriptedServer::Peer& peer, int) {
    peer.read_request();
    asked = true;
    peer.wait_for_end();
    closed = true;
  });
  EXPECT_TRUE(ends_when_cancelled(loop, client(), local(silent.port()), [&] { return asked.load(); }));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!closed && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_TRUE(closed);
}

TEST(ClientLifetime, ALoopMayBeDestroyedInTheMiddleOfAnything) {
  HttpListener server(
      [](Request) -> boost::asio::awaitable<Response> {
        boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor, std::chrono::hours(1));
        co_await timer.async_wait(boost::asio::use_awaitable);
        co_return Response();
      },
      {});
  boost::asio::io_context loop(1);
  Client client(ClientOptions{});
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    boost::asio::co_spawn(
        loop, client.send({false, host, server.port()}, {"GET", "/", {}, nullptr}, std::chrono::hours(1)),
        [](std::exception_ptr, ClientTest::Outcome) {});
  }
  while (server.server().busy() < 1) loop.run_one_for(milliseconds(5));
}

}  // namespace
}  // namespace postern::http::test
