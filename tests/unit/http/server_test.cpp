#include "base/http/server.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <future>
#include <list>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>

#include "base/http/client.hpp"
#include "base/http/client_hello.hpp"
#include "tests/support/certificate.hpp"
#include "tests/support/http_listener.hpp"
#include "tests/support/raw_socket.hpp"
#include "tests/unit/http/hello.hpp"

namespace postern::http {
namespace {

using postern::test::Certificate;
using postern::test::HttpListener;
using postern::test::RawSocket;
using std::chrono::milliseconds;
using std::chrono::seconds;

/// Says back what it got, so that a test sees which request an answer belongs to.
Response echo(const Request& request) {
  Response response;
  response.headers = {{"X-Method", request.method}, {"X-Target", request.target}};
  response.body = request.body;
  return response;
}

/// Refusals as the observer saw them, from any loop.
class Refusals {
 public:
  RefusalObserver observer() {
    return [this](const Refusal& refusal) {
      const std::lock_guard lock(mutex_);
      seen_.push_back(fmt::format("{} {}", refusal.status, refusal.reason));
      changed_.notify_all();
    };
  }
  std::string first(Duration patience = seconds(10)) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, patience, [this] { return !seen_.empty(); });
    return seen_.empty() ? "none" : seen_.front();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> seen_;
};

struct ServerTest : testing::Test {
  HttpListener& listen(HttpListener::Options options = {}) {
    options.on_refusal = refusals.observer();
    return listener.emplace(HttpListener::answering(echo), std::move(options));
  }

  Refusals refusals;
  std::optional<HttpListener> listener;
};

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

std::string post(std::string_view body, std::string_view more = "") {
  return fmt::format("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n{}\r\n{}", body.size(), more,
                     body);
}

TEST_F(ServerTest, KeepsAConnectionForManyRequests) {
  RawSocket client(listen().port());
  for (int i = 0; i < 100; ++i) {
    client.send(post(std::to_string(i)));
    const auto answer = client.read_answer();
    ASSERT_EQ(answer.status, 200);
    ASSERT_EQ(answer.body, std::to_string(i));
    ASSERT_FALSE(answer.closes);
  }
  EXPECT_EQ(listener->server().connections(), 1u);
  // The client may have the answer a moment before the server has put the request down as answered.
  while (listener->server().busy() > 0) std::this_thread::yield();
}

TEST_F(ServerTest, AnswersPipelinedRequestsInOrder) {
  RawSocket client(listen().port());
  std::string all;
  for (int i = 0; i < 200; ++i) {
    const std::string n = std::to_string(i);
    all += i % 2 ? post("body " + n)
                 : "POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbody \r\n" +
                       fmt::format("{:x}\r\n{}\r\n0\r\n\r\n", n.size(), n);
  }
  client.send(all);
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client.read_answer().body, "body " + std::to_string(i));
}

TEST_F(ServerTest, ARequestBehindABrokenOneNeverRuns) {
  RawSocket client(listen().port());
  client.send(std::string(kGet) + "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n" + std::string(kGet));
  EXPECT_EQ(client.read_answer().status, 200);
  const auto refused = client.read_answer();
  EXPECT_EQ(refused.status, 400);
  EXPECT_TRUE(refused.closes);
  EXPECT_EQ(client.read_to_end(), "");
  EXPECT_EQ(refusals.first(), "400 space_before_colon");
}

TEST_F(ServerTest, LargeBodiesArriveWhole) {
  std::string body(900 * 1024, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 7 + i / 256);
  RawSocket client(listen().port());
  client.send(post(body));
  EXPECT_TRUE(client.read_answer().body == body);
  client.send("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (std::size_t at = 0; at < body.size(); at += 5000) {
    const std::string piece = body.substr(at, 5000);
    client.send(fmt::format("{:x}\r\n", piece.size()) + piece + "\r\n");
  }
  client.send("0\r\n\r\n");
  EXPECT_TRUE(client.read_answer().body == body);
}

TEST_F(ServerTest, BodiesOfAllConnectionsTogetherAreBounded) {
  HttpListener::Options options;
  options.limits.body_memory = 70'000;
  std::promise<void> first_is_in;
  options.on_head = [&, told = false](const Request&) mutable {
    if (!std::exchange(told, true)) first_is_in.set_value();
    return ReadBody{1 << 20};
  };
  const auto port = listen(std::move(options)).port();
  RawSocket first(port);
  first.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + std::string(50'000, 'x'));
  first_is_in.get_future().wait();  // and has its memory before its loop looks at another
  const auto refused = [&](std::string_view request) {
    RawSocket other(port);
    other.send(request);
    return other.read_answer().status == 503;
  };
  EXPECT_TRUE(refused(post(std::string(30'000, 'y'))));
  EXPECT_TRUE(refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7530\r\n" +
                      std::string(30'000, 'y') + "\r\n0\r\n\r\n"));
  RawSocket small(port);
  small.send(post("small"));
  EXPECT_EQ(small.read_answer().status, 200);
  first.send(std::string(10'000, 'x'));
  EXPECT_EQ(first.read_answer().body.size(), 60'000U);
  RawSocket alone(port);  // more than all of it, but nobody else has any
  alone.send(post(std::string(300'000, 'z')));
  EXPECT_EQ(alone.read_answer().body.size(), 300'000U);
}

TEST_F(ServerTest, ALengthOverTheLimitIsRefusedWithoutReadingTheBody) {
  RawSocket client(listen().port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 413);
  EXPECT_TRUE(answer.closes);
  EXPECT_EQ(refusals.first(), "413 body_too_large");
}

TEST_F(ServerTest, AClientStillSendingSeesIts413) {
  RawSocket client(listen().port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + std::string(200'000, 'x'));
  EXPECT_EQ(client.read_answer().status, 413);
  client.finish_sending();
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, ChunksOverTheLimitAreRefusedAtTheChunkThatPassesIt) {
  RawSocket client(listen().port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n100001\r\n");
  EXPECT_EQ(client.read_answer().status, 413);
}

TEST_F(ServerTest, AnEarlyAnswerKeepsTheConnectionOnlyWhenNoBodyIsLeft) {
  HttpListener::Options options;
  options.on_head = [](const Request&) -> HeadDecision { return Response{404, {}, "no", false}; };
  listen(std::move(options));
  RawSocket client(listener->port());
  client.send(std::string(kGet) + post("all here") + std::string(kGet));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(client.read_answer().closes);
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhal");
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 404);
  EXPECT_TRUE(answer.closes);
}

TEST_F(ServerTest, InvitesABodyOnlyWhenItWillReadIt) {
  HttpListener::Options options;
  options.on_head = [](const Request& head) -> HeadDecision {
    if (head.path() == "/p") return ReadBody{10};
    return Response{404, {}, "", false};
  };
  listen(std::move(options));
  const auto head = [](std::string_view path, int length) {
    return fmt::format("POST {} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                       path, length);
  };
  RawSocket invited(listener->port());
  invited.send(head("/p", 2));
  EXPECT_EQ(invited.read_answer().status, 100);
  invited.send("ok");
  EXPECT_EQ(invited.read_answer().body, "ok");
  RawSocket too_long(listener->port());
  too_long.send(head("/p", 11));
  EXPECT_EQ(too_long.read_answer().status, 413);
  RawSocket unknown(listener->port());
  unknown.send(head("/x", 2));
  EXPECT_EQ(unknown.read_answer().status, 404);
}

TEST_F(ServerTest, HeadKeepsTheLengthAndLosesTheBody) {
  HttpListener other(
      HttpListener::answering([](const Request&) { return Response{200, {}, "12345", false}; }), {});
  RawSocket client(other.port());
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  const std::string answer = client.read_to_end();
  EXPECT_NE(answer.find("Content-Length: 5\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n"));
}

TEST_F(ServerTest, AHandlerThatThrowsIsAnswered500) {
  HttpListener other(
      HttpListener::answering([](const Request&) -> Response { throw std::runtime_error("no"); }), {});
  RawSocket client(other.port());
  client.send(kGet);
  EXPECT_EQ(client.read_answer().status, 500);
}

TEST_F(ServerTest, AHeaderCannotSmuggleALine) {
  HttpListener other(HttpListener::answering([](const Request&) {
                       return Response{200, {{"X", "a\r\nSet-Cookie: b"}}, "", false};
                     }),
                     {});
  RawSocket client(other.port());
  client.send(kGet);
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.status, 500);
  EXPECT_EQ(answer.head.find("Set-Cookie"), std::string::npos);
}

TEST_F(ServerTest, FramingHeadersOfAHandlerAreIgnored) {
  HttpListener other(HttpListener::answering([](const Request&) {
                       return Response{200, {{"content-length", "99"}, {"X", "y"}}, "12345", false};
                     }),
                     {});
  RawSocket client(other.port());
  client.send(kGet);
  const auto answer = client.read_answer();
  EXPECT_EQ(answer.body, "12345");
  EXPECT_NE(answer.head.find("\r\nX: y\r\n"), std::string::npos);
}

TEST_F(ServerTest, ClosesASlowHeaderHoweverItTrickles) {
  HttpListener::Options options;
  options.limits.header_time = milliseconds(100);
  RawSocket client(listen(std::move(options)).port());
  client.send("GET /");
  for (int i = 0; i < 1000 && refusals.first(milliseconds(10)) == "none"; ++i) client.send("x");
  EXPECT_EQ(refusals.first(), "0 slow_header");
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, ClosesASlowBody) {
  HttpListener::Options options;
  options.limits.body_rate = 100'000;
  options.limits.body_rate_window = milliseconds(80);
  RawSocket client(listen(std::move(options)).port());
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nslow");
  EXPECT_TRUE(client.ended());
  EXPECT_EQ(refusals.first(), "0 slow_body");
}

TEST_F(ServerTest, ClosesAnIdleConnection) {
  HttpListener::Options options;
  options.limits.idle_time = milliseconds(50);
  RawSocket client(listen(std::move(options)).port());
  client.send(kGet);
  EXPECT_EQ(client.read_answer().status, 200);
  EXPECT_TRUE(client.ended());
}

TEST_F(ServerTest, ClosesAClientThatDoesNotRead) {
  HttpListener::Options options;
  options.limits.write_time = milliseconds(100);
  options.on_refusal = refusals.observer();
  const std::string long_body(32 << 20, 'x');
  HttpListener other(
      HttpListener::answering([&](const Request&) { return Response{200, {}, long_body, false}; }),
      std::move(options));
  RawSocket client(other.port());
  client.send(kGet);
  EXPECT_EQ(refusals.first(), "0 slow_reader");
}

TEST_F(ServerTest, ClosesWhatIsOverTheLimitOfConnections) {
  HttpListener::Options options;
  options.limits.connections = 2;
  listen(std::move(options));
  RawSocket first(listener->port());
  RawSocket second(listener->port());
  for (RawSocket* client : {&first, &second}) {
    client->send(kGet);
    EXPECT_EQ(client->read_answer().status, 200);
  }
  RawSocket third(listener->port());
  EXPECT_TRUE(third.ended());
  EXPECT_EQ(refusals.first(), "0 turned_away");
  first.send(kGet);
  EXPECT_EQ(first.read_answer().status, 200);
}

TEST_F(ServerTest, TurnsAwayWhoComesWhileItIsFull) {
  std::atomic<bool> full = false;
  HttpListener::Options options;
  options.is_full = [&] { return full.load(); };
  listen(std::move(options));
  RawSocket before(listener->port());
  before.send(kGet);
  EXPECT_EQ(before.read_answer().status, 200);
  full = true;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(RawSocket(listener->port()).ended());
  before.send(kGet);
  EXPECT_EQ(before.read_answer().status, 200) << "who was there already stays";
  full = false;
  RawSocket after(listener->port());
  after.send(kGet);
  EXPECT_EQ(after.read_answer().status, 200);
}

/// Takes what offers postern/1, and shows the bytes that lie in its socket then.
struct Taker {
  OtherProtocol protocol() {
    return {"postern/1", [this](boost::asio::ip::tcp::socket socket) {
              std::string bytes(socket.available(), '\0');
              boost::asio::read(socket, boost::asio::buffer(bytes));
              taken.set_value(bytes);
            }};
  }
  std::promise<std::string> taken;
};

TEST_F(ServerTest, HandsAnotherProtocolOnUntouched) {
  Taker taker;
  HttpListener::Options options;
  options.other = taker.protocol();
  const auto& server = listen(std::move(options));
  const std::string said = test::hello("\x02h2\x09postern/1");
  RawSocket client(server.port());
  EXPECT_TRUE(client.send(said.substr(0, 1)));
  EXPECT_TRUE(client.send(said.substr(1, 40)));
  EXPECT_TRUE(client.send(said.substr(41)));
  EXPECT_EQ(taker.taken.get_future().get(), said);
  EXPECT_TRUE(client.ended()) << "the taker let it go";
}

TEST_F(ServerTest, ServesAllOthersAsEver) {
  for (const bool tls : {false, true}) {
    Taker taker;
    const Certificate certificate("IP:127.0.0.1");
    HttpListener::Options options;
    if (tls) options.tls = certificate.server();
    options.other = taker.protocol();
    const auto& server = listen(std::move(options));
    boost::asio::io_context loop(1);
    ClientOptions trusting;
    trusting.ca_file = certificate.certificate_file();
    Client client(trusting);
    auto answer = boost::asio::co_spawn(
        loop, client.send({tls, "127.0.0.1", server.port()}, {"GET", "/", {}, nullptr}, seconds(10)),
        boost::asio::use_future);
    loop.run_for(seconds(10));
    const auto outcome = answer.get();
    ASSERT_TRUE(outcome) << outcome.error().error.message;
    EXPECT_EQ(outcome->status, 200);
  }
}

TEST_F(ServerTest, AHelloThatNeverEndsIsClosed) {
  Taker taker;
  HttpListener::Options options;
  options.other = taker.protocol();
  const auto& server = listen(std::move(options));
  RawSocket half(server.port());
  EXPECT_TRUE(half.send(test::hello("\x09postern/1").substr(0, 50)));
  half.finish_sending();
  EXPECT_TRUE(half.ended());
  RawSocket endless(server.port());
  std::string records;
  while (records.size() < kMostHello) records += std::string("\x16\x03\x01\x00\x05\x01\x00\x3f\xff\x00", 10);
  endless.send(records);
  EXPECT_EQ(endless.read_answer().status, 400) << "then it is judged as what it is to this listener";
}

struct Unasked : Handler {
  HeadDecision on_head(const Request&) override { return ReadBody{0}; }
  boost::asio::awaitable<Response> on_request(Request) override { co_return Response(); }
};

TEST(ServerLoopTest, AcceptsAllThatWaitBeforeItServesTheFirst) {
  boost::asio::io_context loop(1);
  boost::asio::io_context* loops[] = {&loop};
  Unasked handler;
  Server server(loops, handler,
                {.listen = {boost::asio::ip::make_address("127.0.0.1"), 0}, .limits = {}, .tls = {}});
  const auto at = server.start();
  ASSERT_TRUE(at);
  std::list<RawSocket> clients;
  for (int i = 0; i < 100; ++i) clients.emplace_back(at->port());
  for (int i = 0; i < 10; ++i) loop.poll_one();
  EXPECT_EQ(server.connections(), 100u) << "one for each time that the loop looks would be ten at most";
}

void all_loops_get_some(std::size_t loops) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  HttpListener::Options options;
  options.loops = loops;
  HttpListener other(HttpListener::answering([&](const Request&) {
                       const std::lock_guard lock(mutex);
                       threads.insert(std::this_thread::get_id());
                       return Response();
                     }),
                     std::move(options));
  for (int i = 0; i < 6; ++i) {
    RawSocket client(other.port());
    client.send(kGet);
    EXPECT_EQ(client.read_answer().status, 200);
  }
  EXPECT_EQ(threads.size(), loops);
}

TEST_F(ServerTest, DealsConnectionsToAllLoops) {
  all_loops_get_some(2);
  all_loops_get_some(3);
}

/// Waits until the test lets it go on.
struct Gatekeeper {
  boost::asio::awaitable<Response> pass(Request request) {
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    entered.set_value();
    while (!open) {
      timer.expires_after(milliseconds(2));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    co_return echo(request);
  }
  std::promise<void> entered;
  std::atomic<bool> open = false;
};

TEST_F(ServerTest, DrainAnswersWhatHasBegunAndEndsWhatIsIdle) {
  Gatekeeper keeper;
  HttpListener other([&](Request request) { return keeper.pass(std::move(request)); }, {});
  RawSocket idle(other.port());
  RawSocket begun(other.port());
  RawSocket half(other.port());
  begun.send(post("hello"));
  keeper.entered.get_future().wait();
  half.send("GET / HT");
  while (other.server().busy() < 2) std::this_thread::yield();

  other.server().drain();
  other.server().drain();
  EXPECT_TRUE(idle.ended());
  EXPECT_THROW(RawSocket(other.port()), std::runtime_error);
  EXPECT_EQ(other.server().busy(), 2u);

  keeper.open = true;
  const auto answer = begun.read_answer();
  EXPECT_EQ(answer.body, "hello");
  EXPECT_TRUE(answer.closes);
  other.server().stop();
  EXPECT_TRUE(half.ended());
  while (other.server().connections() > 0) std::this_thread::yield();
}

/// No descriptor is left beyond the next one, for as long as it lives.
class LastDescriptor {
 public:
  LastDescriptor() {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    rlimit tight = before_;
    tight.rlim_cur = static_cast<rlim_t>(next) + 1;
    ::setrlimit(RLIMIT_NOFILE, &tight);
  }
  ~LastDescriptor() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ServerTest, ServesAgainAfterRunningOutOfDescriptors) {
  const auto port = listen().port();
  std::optional<LastDescriptor> last(std::in_place);
  RawSocket client(port, milliseconds(150));
  client.send(kGet);
  EXPECT_EQ(client.read_answer().status, 0);
  last.reset();
  int status = 0;
  for (int i = 0; i < 50 && status == 0; ++i) status = client.read_answer().status;
  EXPECT_EQ(status, 200);
}

TEST_F(ServerTest, RefusalsKeepTheirBodyAfterAHead) {
  RawSocket client(listen().port());
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(client.read_answer().status, 200);
  const auto refused = client.read_answer();
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.body, "missing_host\n");
}

TEST_F(ServerTest, SaysWhyItCannotListen) {
  boost::asio::io_context loop;
  boost::asio::io_context* const loops[] = {&loop};
  struct Nobody : Handler {
    HeadDecision on_head(const Request&) override { return ReadBody{0}; }
    boost::asio::awaitable<Response> on_request(Request) override { co_return Response(); }
  } nobody;
  ServerOptions options;
  options.listen = {boost::asio::ip::make_address("127.0.0.1"), listen().port()};
  Server second(loops, nobody, options);
  const auto started = second.start();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, "listen_failed");
  EXPECT_NE(started.error().message.find("127.0.0.1"), std::string::npos);
}

}  // namespace
}  // namespace postern::http
