#include "base/http/client.hpp"

#include <gtest/gtest.h>

#include <thread>

#include "tests/support/http_listener.hpp"
#include "tests/support/scripted_server.hpp"
#include "tests/unit/http/client_fixture.hpp"

namespace postern::http::test {
namespace {

using postern::test::HttpListener;
using postern::test::ScriptedServer;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Peer = ScriptedServer::Peer;

TEST_F(ClientTest, SendsWhatItWasGivenAndKeepsTheAnswer) {
  Request seen;
  HttpListener server(HttpListener::answering([&](const Request& request) {
                        seen = request;
                        return Response{202, {{"X-Answer", "yes"}}, "taken", false};
                      }),
                      {});
  std::string body(300'000, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i);
  ClientRequest request = post(body);
  request.target = "/hook?a=b%20c";
  request.headers = {{"X-One", "1"}, {"x-one", "2"}, {"Host", "app.example"}};
  const auto outcome = send(local(server.port()), std::move(request));
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->status, 202);
  EXPECT_EQ(outcome->body, "taken");
  EXPECT_FALSE(outcome->body_truncated);
  EXPECT_EQ(*find_header(outcome->headers, "x-answer"), "yes");
  EXPECT_EQ(seen.target, "/hook?a=b%20c");
  EXPECT_TRUE(seen.body == body);
  const Headers wanted = {
      {"X-One", "1"}, {"x-one", "2"}, {"Host", "app.example"}, {"Content-Length", "300000"}};
  EXPECT_EQ(seen.headers, wanted);
  EXPECT_GE(outcome->timings.total, outcome->timings.connect);
}

TEST_F(ClientTest, ReusesAConnectionForTheSameOriginOnly) {
  HttpListener server(
      HttpListener::answering([](const Request& r) { return Response{200, {}, r.peer, false}; }), {});
  resolver->table["a.example"] = {"127.0.0.1"};
  const auto first = send(local(server.port()), get());
  const auto second = send(local(server.port()), get());
  EXPECT_EQ(first->body, second->body);
  EXPECT_EQ(second->timings.connect, Duration(0));
  const auto other = send({false, "a.example", server.port()}, get());
  EXPECT_NE(other->body, first->body);
}

TEST_F(ClientTest, ReusesNoConnectionOfAnotherOwner) {
  HttpListener server(
      HttpListener::answering([](const Request& r) { return Response{200, {}, r.peer, false}; }), {});
  ClientRequest mine = get();
  mine.owner = "one";
  ClientRequest theirs = get();
  theirs.owner = "two";
  const auto first = send(local(server.port()), mine);
  EXPECT_NE(send(local(server.port()), theirs)->body, first->body);
  EXPECT_EQ(send(local(server.port()), mine)->body, first->body);
}

TEST_F(ClientTest, KeepsNothingWhenToldSo) {
  options.idle_per_origin = 0;
  HttpListener server(
      HttpListener::answering([](const Request& r) { return Response{200, {}, r.peer, false}; }), {});
  EXPECT_NE(send(local(server.port()), get())->body, send(local(server.port()), get())->body);
}

TEST_F(ClientTest, NoticesThatTheServerClosedAnIdleConnection) {
  ScriptedServer server([](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 204 No\r\n\r\n");
  });
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(shown(send(local(server.port()), get())), "204");
    // The close follows the answer; a request that crosses it may have been sent, which is another test.
    std::this_thread::sleep_for(milliseconds(50));
  }
}

TEST_F(ClientTest, NeverReusesAConnectionThatSaidTooMuch) {
  std::atomic<int> connections = 0;
  ScriptedServer server([&](Peer& peer, int) {
    ++connections;
    peer.read_request();
    peer.send("HTTP/1.1 204 No\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong");
    peer.wait_for_end();
  });
  EXPECT_EQ(shown(send(local(server.port()), get())), "204");
  EXPECT_EQ(shown(send(local(server.port()), get())), "204");
  EXPECT_EQ(connections, 2);
}

TEST_F(ClientTest, ClosesWhatStaysIdle) {
  options.idle_time = milliseconds(30);
  std::atomic<bool> ended = false;
  ScriptedServer server([&](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 204 No\r\n\r\n");
    peer.wait_for_end();
    ended = true;
  });
  EXPECT_EQ(shown(send(local(server.port()), get())), "204");
  const auto until = std::chrono::steady_clock::now() + seconds(10);
  while (!ended && std::chrono::steady_clock::now() < until) loop.run_one_for(milliseconds(5));
  EXPECT_TRUE(ended);
}

TEST_F(ClientTest, StopsReadingAtTheCap) {
  options.body_limit = 1000;
  ScriptedServer server([](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n\r\n");
    while (peer.send(std::string(10'000, 'x'))) {
    }
  });
  const auto outcome = send(local(server.port()), get());
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->body, std::string(1000, 'x'));
  EXPECT_TRUE(outcome->body_truncated);
}

TEST_F(ClientTest, RefusesEndlessHeaders) {
  ScriptedServer server([](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\n");
    while (peer.send("X: " + std::string(1000, 'x') + "\r\n")) {
    }
  });
  EXPECT_EQ(shown(send(local(server.port()), get())), "headers_too_large maybe");
}

TEST_F(ClientTest, OneDeadlineOverEverything) {
  ScriptedServer silent([](Peer& peer, int) { peer.wait_for_end(); });
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(shown(send(local(silent.port()), get(), milliseconds(60))), "timeout maybe");
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(5));
}

TEST_F(ClientTest, ATricklingHeaderDoesNotMoveTheDeadline) {
  std::atomic<bool> over = false;
  ScriptedServer server([&](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nX: ");
    while (!over && peer.send("x")) std::this_thread::yield();
  });
  options.header_limit = 1 << 30;
  EXPECT_EQ(shown(send(local(server.port()), get(), milliseconds(60))), "timeout maybe");
  over = true;
}

TEST_F(ClientTest, ABodyThatNeverEndsLeavesItsStatus) {
  ScriptedServer server([](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
    peer.wait_for_end();
  });
  const auto outcome = send(local(server.port()), get(), milliseconds(60));
  ASSERT_EQ(shown(outcome), "200");
  EXPECT_EQ(outcome->body, "half");
  EXPECT_TRUE(outcome->body_truncated);
}

TEST_F(ClientTest, HonestAboutWhatWasSent) {
  std::uint16_t closed_port = 0;
  {
    closed_port = ScriptedServer([](Peer&, int) {}).port();
  }
  EXPECT_EQ(shown(send(local(closed_port), post("x"))), "connect_failed nothing");
  ClientRequest bad = get();
  bad.headers = {{"X", "a\nb"}};
  EXPECT_EQ(shown(send(local(closed_port), bad)), "invalid_request nothing");
  ScriptedServer hangs_up([](Peer& peer, int) { peer.read_request(); });
  EXPECT_EQ(shown(send(local(hangs_up.port()), post("x"))), "read_failed maybe");
  ScriptedServer resets([](Peer& peer, int) {
    peer.read_request();
    peer.reset_on_close();
  });
  EXPECT_EQ(shown(send(local(resets.port()), post("x"))), "read_failed maybe");
  ScriptedServer speaks_ssh([](Peer& peer, int) { peer.send("SSH-2.0-x\r\n"), peer.wait_for_end(); });
  EXPECT_EQ(shown(send(local(speaks_ssh.port()), get())), "malformed_response maybe");
}

/// Answers the first request of a connection, then does `what` and ends.
class ClosesOnReuse {
 public:
  explicit ClosesOnReuse(std::function<void(ClosesOnReuse&, Peer&)> what)
      : server_([this, what = std::move(what)](Peer& peer, int connection) {
          connections = connection + 1;
          take_request(peer);
          peer.send("HTTP/1.1 204 No\r\n\r\n");
          what(*this, peer);
        }) {}
  void take_request(Peer& peer) { requests += peer.read_request().empty() ? 0 : 1; }
  std::uint16_t port() const { return server_.port(); }

  std::atomic<int> requests = 0;
  std::atomic<int> connections = 0;

 private:
  ScriptedServer server_;
};

TEST_F(ClientTest, ARequestThatMayHaveArrivedIsNeverSentTwice) {
  for (const bool reset : {false, true}) {
    ClosesOnReuse server([reset](ClosesOnReuse& self, Peer& peer) {
      self.take_request(peer);
      if (reset) peer.reset_on_close();
    });
    EXPECT_EQ(shown(send(local(server.port()), post("1"))), "204");
    EXPECT_EQ(shown(send(local(server.port()), post("2"))), "read_failed maybe");
    EXPECT_EQ(server.requests, 2) << "each once";
    EXPECT_EQ(server.connections, 1) << "and on no other connection";
  }
}

TEST_F(ClientTest, ARequestThatWasHalfReadIsNotSentAgainEither) {
  ClosesOnReuse server([](ClosesOnReuse&, Peer& peer) {
    peer.read_until("\r\n\r\n");
    peer.reset_on_close();
  });
  EXPECT_EQ(shown(send(local(server.port()), post("1"))), "204");
  const auto outcome = send(local(server.port()), post(std::string(8 << 20, 'x')));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().sent, Sent::maybe) << shown(outcome);
  EXPECT_EQ(server.connections, 1);
}

TEST_F(ClientTest, AnAnswerBeforeTheBodyWasTakenCounts) {
  ScriptedServer refuses([](Peer& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno");
    peer.wait_for_end();
  });
  const auto outcome = send(local(refuses.port()), post(std::string(1 << 20, 'x')));
  EXPECT_EQ(shown(outcome), "413");
  EXPECT_EQ(outcome->body, "no");
}

TEST_F(ClientTest, AnAnswerFromAServerThatReadsNoFurtherCounts) {
  std::atomic<bool> done = false;
  ScriptedServer refuses([&](Peer& peer, int) {
    peer.read_until("\r\n\r\n");
    peer.send("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n");
    while (!done) std::this_thread::yield();
  });
  const auto outcome = send(local(refuses.port()), post(std::string(64 << 20, 'x')), seconds(5));
  done = true;
  EXPECT_EQ(shown(outcome), "503");
}

TEST_F(ClientTest, SkipsContinueAndReadsChunks) {
  ScriptedServer server([](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    peer.send("5\r\nhel");
    peer.send("lo\r\n0\r\n\r\n");
    peer.wait_for_end();
  });
  ClientRequest request = post("x");
  request.headers = {{"Expect", "100-continue"}};
  EXPECT_EQ(send(local(server.port()), request)->body, "hello");
}

TEST_F(ClientTest, AnswersToHeadHaveNoBody) {
  ScriptedServer server([](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n");
    peer.wait_for_end();
  });
  EXPECT_EQ(shown(send(local(server.port()), {"HEAD", "/", {}, nullptr}, seconds(5))), "200");
}

TEST_F(ClientTest, FollowsNoRedirect) {
  ScriptedServer server([](Peer& peer, int) {
    peer.read_request();
    peer.send("HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n");
    peer.wait_for_end();
  });
  EXPECT_EQ(shown(send(local(server.port()), get())), "302");
}

}  // namespace
}  // namespace postern::http::test
