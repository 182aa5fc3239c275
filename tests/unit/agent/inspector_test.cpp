#include "agent/inspector/inspector.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json.hpp>

#include <future>
#include <thread>

#include "agent/inspect_address.hpp"
#include "agent/inspector/page_files.hpp"
#include "base/bytes.hpp"
#include "inspector_fixture.hpp"
#include "tests/support/raw_socket.hpp"

namespace postern::agent::inspector {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using test::RawSocket;

/// The app's end of a resend: answers once it is let to.
struct FakeApp {
  explicit FakeApp(asio::io_context& loop) : gate(loop, asio::steady_timer::time_point::max()) {}
  std::vector<tunnel::DeliverHead> heads;
  std::vector<std::string> bodies;
  bool holds = false;
  asio::steady_timer gate;

  asio::awaitable<Answer> take(tunnel::DeliverHead head, std::shared_ptr<const std::string> body) {
    heads.push_back(std::move(head));
    bodies.push_back(*body);
    if (holds) [[maybe_unused]]
      const auto let = co_await gate.async_wait(asio::as_tuple(asio::use_awaitable));
    co_return Answer{some_result(202), "again"};
  }
};

class InspectorTest : public testing::Test {
 protected:
  InspectorTest() {
    auto resend = [this](tunnel::DeliverHead head, std::shared_ptr<const std::string> body) {
      return app_.take(std::move(head), std::move(body));
    };
    inspector_ = std::move(
        Inspector::start({loop_, clock_, random_, resend}, parse_inspect_address("127.0.0.1:0").value())
            .value());
    const std::string& url = inspector_->url();
    token_ = url.substr(url.find('=') + 1);
    const auto colon = inspector_->address().rfind(':');
    port_ = static_cast<std::uint16_t>(std::stoi(inspector_->address().substr(colon + 1)));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~InspectorTest() override {
    loop_.stop();
    thread_.join();
    inspector_.reset();
  }

  template <class Fn>
  auto on_loop(Fn fn) {
    std::packaged_task<decltype(fn())()> task(std::move(fn));
    auto result = task.get_future();
    asio::post(loop_, [&task] { task(); });
    return result.get();
  }
  std::uint64_t record(std::string body, std::string target = "/hooks") {
    return on_loop([&] {
      Recording recording(inspector_->recorder(), some_delivery(target));
      recording.body(body);
      recording.ended(some_result(), "fine");
      return recording.number();
    });
  }
  RawSocket::Answer ask(std::string_view line, bool with_token = true) {
    RawSocket client(port_);
    client.send(request(line, with_token));
    return client.read_answer();
  }
  std::string request(std::string_view line, bool with_token = true) const {
    return fmt::format("{} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n{}\r\n", line, port_,
                       with_token ? "Authorization: Bearer " + token_ + "\r\n" : std::string());
  }
  json::value ask_json(std::string_view line) {
    const auto answer = ask(line);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return json::parse(answer.body);
  }
  std::string error_code(const RawSocket::Answer& answer) {
    return std::string(json::parse(answer.body).at("error").at("code").as_string());
  }

  SystemClock clock_;
  SystemRandom random_;
  asio::io_context loop_;
  asio::executor_work_guard<asio::io_context::executor_type> busy_{loop_.get_executor()};
  FakeApp app_{loop_};
  std::unique_ptr<Inspector> inspector_;
  std::string token_;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST_F(InspectorTest, ServesItsPageWithoutSecrets) {
  for (const PageFile& file : page_files()) {
    const auto answer = ask(fmt::format("GET {}", file.path), false);
    EXPECT_EQ(answer.status, 200) << file.path;
    EXPECT_THAT(answer.head, testing::HasSubstr(std::string(file.content_type)));
    EXPECT_THAT(answer.head, testing::HasSubstr("Content-Security-Policy: default-src 'none'"));
    EXPECT_EQ(answer.body, file.text);
    EXPECT_THAT(answer.body, testing::Not(testing::HasSubstr(token_)));
  }
  EXPECT_GE(token_.size(), 22u);
}

TEST_F(InspectorTest, RefusesWhatIsNotThere) {
  EXPECT_EQ(ask("GET /api/deliveries", false).status, 401);
  EXPECT_EQ(ask("GET /nothing").status, 404);
  EXPECT_EQ(ask("GET /api/deliveriesx").status, 404);
  EXPECT_EQ(ask("GET /api/deliveries/x").status, 404);
  EXPECT_EQ(ask("GET /api/deliveries/-1").status, 404);
  EXPECT_EQ(error_code(ask("GET /api/deliveries/1")), "not_kept");
  EXPECT_EQ(error_code(ask("POST /api/deliveries/1/resend")), "not_kept");
  EXPECT_EQ(ask("GET /api/deliveries/1/resend").status, 405);
  EXPECT_EQ(ask("DELETE /api/deliveries").status, 405);
  EXPECT_EQ(ask("OPTIONS /api/deliveries").status, 405);
  EXPECT_EQ(error_code(ask("GET /api/deliveries?after=x")), "bad_query");
  EXPECT_EQ(error_code(ask("GET /api/deliveries?wait=-1")), "bad_query");
}

TEST_F(InspectorTest, ALongBodyIsRefused) {
  RawSocket client(port_);
  std::string text = request("POST /api/deliveries/1/resend");
  text.insert(text.size() - 2, "Content-Length: 100000\r\n");
  client.send(text);
  EXPECT_EQ(client.read_answer().status, 413);
}

TEST_F(InspectorTest, ShowsWhatPassed) {
  const auto number = record("{\"n\":1}", "/one");
  const auto list = ask_json("GET /api/deliveries");
  EXPECT_EQ(list.at("deliveries").at(0).at("target"), "/one");
  EXPECT_EQ(ask_json(fmt::format("GET /api/deliveries/{}", number)).at_pointer("/request/body/text"),
            "{\"n\":1}");
}

TEST_F(InspectorTest, WhoWaitsHearsOfAChangeAtOnceAndOfNoneInTheEnd) {
  RawSocket waiting(port_);
  waiting.send(request("GET /api/deliveries?after=0&wait=30"));
  const auto from = std::chrono::steady_clock::now();
  record("x");
  const auto answer = waiting.read_answer();
  EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(10));
  EXPECT_EQ(json::parse(answer.body).at("deliveries").as_array().size(), 1u);
  EXPECT_TRUE(ask_json("GET /api/deliveries?after=1000&wait=1").at("deliveries").as_array().empty());
}

TEST_F(InspectorTest, SendsTheSameAgainAndSaysSo) {
  const std::string body("\0\xff body", 7);
  const auto number = record(body);
  const auto made = ask_json(fmt::format("POST /api/deliveries/{}/resend", number));
  EXPECT_EQ(made.at("resend_of"), number);
  EXPECT_EQ(made.at("status"), 202);
  EXPECT_EQ(made.at_pointer("/response/body/text"), "again");
  ASSERT_EQ(app_.bodies, std::vector{body});
  auto expected = some_delivery().headers;
  expected.push_back({"Postern-Resend", "1"});
  EXPECT_EQ(app_.heads.at(0).headers, expected);
  // A resend that is sent again repeats the first one, and does not gather headers.
  ask_json(fmt::format("POST /api/deliveries/{}/resend", made.at("number").as_int64()));
  expected.back().value = "2";
  EXPECT_EQ(app_.heads.at(1).headers, expected);
  EXPECT_EQ(ask_json(fmt::format("GET /api/deliveries/{}", number)).at("resends"), (json::array{2, 3}));
}

TEST_F(InspectorTest, WhatIsNotWholeIsNotSentAgain) {
  const auto cut = record(std::string(300 * 1024, 'x'));
  EXPECT_EQ(error_code(ask(fmt::format("POST /api/deliveries/{}/resend", cut))), "body_cut");
  const auto unread = on_loop([&] {
    Recording recording(inspector_->recorder(), some_delivery());
    recording.ended(some_result(), "");
    return recording.number();
  });
  EXPECT_EQ(error_code(ask(fmt::format("POST /api/deliveries/{}/resend", unread))), "body_not_read");
  EXPECT_TRUE(app_.heads.empty());
}

TEST_F(InspectorTest, FewAreSentAgainAtOnce) {
  const auto number = record("x");
  const std::string line = fmt::format("POST /api/deliveries/{}/resend", number);
  app_.holds = true;
  std::vector<std::unique_ptr<RawSocket>> held;
  for (std::size_t i = 1; i <= 4; ++i) {
    held.push_back(std::make_unique<RawSocket>(port_));
    held.back()->send(request(line));
    while (on_loop([&] { return app_.heads.size(); }) < i) std::this_thread::yield();
  }
  EXPECT_EQ(error_code(ask(line)), "too_many_resends");
  on_loop([&] {
    app_.holds = false;
    return app_.gate.cancel();
  });
  for (const auto& client : held) EXPECT_EQ(client->read_answer().status, 200);
  EXPECT_EQ(ask(line).status, 200);
}

TEST_F(InspectorTest, ItStopsWithSomebodyWaitingAndOneSendingAgain) {
  const auto number = record("x");
  app_.holds = true;
  RawSocket resending(port_);
  resending.send(request(fmt::format("POST /api/deliveries/{}/resend", number)));
  while (on_loop([&] { return app_.heads.size(); }) < 1) std::this_thread::yield();
  RawSocket waiting(port_);
  waiting.send(request("GET /api/deliveries?after=1000&wait=30"));
  on_loop([&] {
    inspector_->stop();
    return 0;
  });
  EXPECT_TRUE(waiting.ended());
  EXPECT_TRUE(resending.ended());
  EXPECT_TRUE(on_loop([&] { return inspector_->recorder()->records().empty(); }));
  // What is under way goes on; the fixture ends with it still there.
  EXPECT_FALSE(inspector_->idle());
}

TEST_F(InspectorTest, APortThatIsTakenIsSaid) {
  const auto second = Inspector::start({loop_, clock_, random_, {}},
                                       parse_inspect_address(fmt::format("127.0.0.1:{}", port_)).value());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "listen_failed");
  EXPECT_THAT(second.error().message, testing::HasSubstr(std::to_string(port_)));
}

TEST(InspectAddress, TakesLoopbackAddressesOnly) {
  const auto said = [](std::string_view text) {
    const auto parsed = parse_inspect_address(text);
    return parsed ? parsed->address().to_string() + " " + std::to_string(parsed->port())
                  : parsed.error().message;
  };
  EXPECT_EQ(said(kInspectAddress), "127.0.0.1 4040");
  EXPECT_EQ(said("localhost:1"), "127.0.0.1 1");
  EXPECT_EQ(said("[::1]:8000"), "::1 8000");
  EXPECT_EQ(said("127.0.0.2:0"), "127.0.0.2 0");
  for (const char* wrong : {"0.0.0.0:4040", "[::]:4040", "10.0.0.1:4040", "example.com:4040"})
    EXPECT_THAT(said(wrong), testing::HasSubstr("not a loopback address")) << wrong;
  for (const char* wrong : {"", "4040", ":4040", "127.0.0.1", "127.0.0.1:", "127.0.0.1:99999",
                            "http://localhost:4040", "127.0.0.1:00", ":0"})
    EXPECT_THAT(said(wrong), testing::HasSubstr("not an address to inspect at")) << wrong;
}

}  // namespace
}  // namespace postern::agent::inspector
