#include "agent/dial_relay.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/use_future.hpp>

#include "base/bytes.hpp"
#include "tests/support/scripted_server.hpp"

namespace postern::agent {
namespace {

using test::ScriptedServer;
using testing::HasSubstr;
using testing::Not;

/// Dials relay.example, a name that only the proxy could know, through a proxy that does what `script` says.
class DialRelay : public testing::Test {
 protected:
  using Script = std::function<void(ScriptedServer::Peer&)>;

  /// The error's code, or what came after the proxy's answer, `size` bytes of it.
  std::string dial(const Script& script, std::size_t size = 0, const std::string& user = "") {
    ScriptedServer proxy([&](ScriptedServer::Peer& peer, int) {
      asked_ = peer.read_until("\r\n\r\n");
      script(peer);
    });
    return outcome(fmt::format("http://{}127.0.0.1:{}", user, proxy.port()), size);
  }
  std::string outcome(const std::string& url, std::size_t size = 0) {
    boost::asio::io_context loop(1);
    auto rules = proxy_rules(url, [](const char*) { return nullptr; });
    auto future = boost::asio::co_spawn(loop, go(std::move(*rules), size), boost::asio::use_future);
    loop.run();
    return future.get();
  }
  boost::asio::awaitable<std::string> go(ProxyRules rules, std::size_t size) {
    auto socket = co_await dial_relay({"relay.example", 9700}, std::move(rules));
    if (!socket) {
      message_ = socket.error().message;
      co_return socket.error().code;
    }
    std::string got(size, '\0');
    boost::asio::read(*socket, boost::asio::buffer(got));
    co_return got;
  }
  static Script saying(std::string answer) {
    return [answer = std::move(answer)](ScriptedServer::Peer& peer) {
      peer.send(answer);
      peer.wait_for_end();
    };
  }

  std::string asked_;
  std::string message_;
};

TEST_F(DialRelay, AsksForTheNameItWasGivenAndKeepsWhatFollows) {
  EXPECT_EQ(dial(saying("HTTP/1.1 200 OK\r\nA: b\r\n\r\nhello"), 5), "hello");
  EXPECT_EQ(asked_, "CONNECT relay.example:9700 HTTP/1.1\r\nHost: relay.example:9700\r\n\r\n");
}

TEST_F(DialRelay, ReadsAnAnswerThatComesByteByByte) {
  const auto drip = [](ScriptedServer::Peer& peer) {
    for (const char c : std::string("HTTP/1.1 200 OK\r\n\r\nhello")) peer.send({&c, 1});
    peer.wait_for_end();
  };
  EXPECT_EQ(dial(drip, 5), "hello");
}

TEST_F(DialRelay, SaysWhoItIsWhereTheUrlDoes) {
  EXPECT_EQ(dial(saying("HTTP/1.1 200 OK\r\n\r\n"), 0, "ann:p%40ss@"), "");
  EXPECT_THAT(asked_, HasSubstr("\r\nProxy-Authorization: Basic " + base64_encode("ann:p@ss") + "\r\n"));
}

TEST_F(DialRelay, SaysWhatIsWrongAndNeverThePassword) {
  const std::string wants = "HTTP/1.1 407 Who\r\n\r\n";
  EXPECT_EQ(dial(saying(wants)), "proxy_auth_required");
  EXPECT_THAT(message_, HasSubstr("USER:PASSWORD@"));
  EXPECT_EQ(dial(saying(wants), 0, "ann:secret@"), "proxy_auth_required");
  EXPECT_THAT(message_, Not(HasSubstr("secret")));
  EXPECT_EQ(dial(saying("HTTP/1.1 403 Not that port\r\n\r\n"), 0, "ann:secret@"), "proxy_refused");
  EXPECT_THAT(message_, HasSubstr("403 Not that port"));
  EXPECT_THAT(message_, Not(HasSubstr("secret")));
}

TEST_F(DialRelay, TellsApartWhatIsNoProxyAndWhatHangsUp) {
  EXPECT_EQ(dial(saying("SSH-2.0-OpenSSH\r\n")), "proxy_bad_answer");
  EXPECT_EQ(dial([](ScriptedServer::Peer&) {}), "proxy_closed");
  EXPECT_EQ(dial([](ScriptedServer::Peer& peer) { peer.send("HTTP/1.1 200 OK\r\n"); }), "proxy_closed");
}

TEST_F(DialRelay, AProxyThatIsNotThereIsNotTheRelaysFault) {
  std::uint16_t gone = 0;
  {
    const ScriptedServer closed([](ScriptedServer::Peer&, int) {});
    gone = closed.port();
  }
  EXPECT_EQ(outcome(fmt::format("http://ann:secret@127.0.0.1:{}", gone)), "proxy_unreachable");
  EXPECT_THAT(message_, testing::AllOf(HasSubstr("NO_PROXY"), Not(HasSubstr("secret"))));
}

}  // namespace
}  // namespace postern::agent
