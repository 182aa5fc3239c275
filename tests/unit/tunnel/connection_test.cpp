#include "tunnel-proto/connection.hpp"

#include <gtest/gtest.h>

#include "base/spawn.hpp"
#include "loopback.hpp"

namespace postern::tunnel {
namespace {

namespace asio = boost::asio;

asio::awaitable<void> echo(std::shared_ptr<IncomingDelivery> delivery) {
  std::string body;
  while (true) {
    auto piece = co_await delivery->read();
    if (!piece || piece->empty()) break;
    body += *piece;
  }
  (void)delivery->respond(test_result(), std::move(body));
}

void echo_all(Loopback& loop) {
  loop.agent_events->on_delivery = [&loop](std::shared_ptr<IncomingDelivery> delivery) {
    spawn(loop.io.get_executor(), echo(std::move(delivery)), "echo");
  };
}

/// Every delivery is kept unread and unanswered.
void keep_all(Loopback& loop, std::vector<std::shared_ptr<IncomingDelivery>>& kept) {
  loop.agent_events->on_delivery = [&kept](std::shared_ptr<IncomingDelivery> delivery) {
    kept.push_back(std::move(delivery));
  };
}

std::string every_byte(std::size_t size) {
  std::string bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

TEST(Connection, AuthenticatesBothEnds) {
  Loopback loop;
  ASSERT_TRUE(loop.open());
  EXPECT_TRUE(loop.relay_events->was_opened);
  EXPECT_EQ(loop.agent_events->admission->agent_id, loop.id);
  EXPECT_EQ(loop.agent_events->admission->generation, 5U);
  EXPECT_EQ(loop.relay_events->hello->software, "test/1");
}

TEST(Connection, CarriesADeliveryThereAndItsAnswerBack) {
  Loopback loop;
  echo_all(loop);
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  ASSERT_TRUE(loop.relay->deliver(test_head(), body_of(every_byte(1024)),
                                  [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(loop.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->head.outcome, ResultOutcome::delivered);
  EXPECT_EQ(answer->head.status, 200);
  EXPECT_EQ(answer->body, every_byte(1024));
  EXPECT_FALSE(answer->head.truncated);
}

TEST(Connection, KeepsHeadsExactly) {
  Loopback loop;
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  ASSERT_TRUE(loop.relay->deliver(test_head(), body_of("abc"), [](DeliveryAnswer) {}));
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 1; }));
  const DeliverHead& head = kept[0]->head();
  EXPECT_EQ(head.headers, test_head().headers);
  EXPECT_EQ(head.target, "/hook?a=1");
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.host, "app");
  EXPECT_EQ(head.port, 80);
  EXPECT_EQ(head.deadline, std::chrono::seconds(30));
  EXPECT_EQ(head.body_size, 3U);
}

TEST(Connection, CarriesBulkBothWaysAndCutsTheAnswer) {
  Loopback loop;
  echo_all(loop);
  ASSERT_TRUE(loop.open());
  const std::string bulk = every_byte(8 << 20);
  std::optional<DeliveryAnswer> answer;
  ASSERT_TRUE(
      loop.relay->deliver(test_head(), body_of(bulk), [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(loop.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->head.outcome, ResultOutcome::delivered);
  EXPECT_TRUE(answer->head.truncated);
  EXPECT_EQ(answer->body, bulk.substr(0, 64 * 1024));
  // The session is as good as before.
  answer.reset();
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(loop.run_until([&] { return answer.has_value(); }));
  EXPECT_TRUE(answer->body.empty());
  EXPECT_FALSE(loop.relay_events->reason);
}

TEST(Connection, RunsThousandsOfDeliveriesWithinTheCredit) {
  Loopback loop;
  echo_all(loop);
  ASSERT_TRUE(loop.open());
  constexpr int kTotal = 5000;
  int sent = 0, answered = 0, right = 0;
  const auto fill = [&] {
    while (sent < kTotal && loop.relay->credit() > 0) {
      const std::string body = every_byte(static_cast<std::size_t>(sent % 3000));
      const auto opened = loop.relay->deliver(test_head(), body_of(body), [&, body](DeliveryAnswer a) {
        ++answered;
        right += a.body == body && a.head.status == 200;
      });
      ASSERT_TRUE(opened);
      ++sent;
    }
    EXPECT_LE(loop.agent->stats().open_streams, 64U);
  };
  loop.relay_events->on_credit = fill;
  fill();
  ASSERT_TRUE(loop.run_until([&] { return answered == kTotal; }));
  EXPECT_EQ(right, kTotal);
}

TEST(Connection, RefusesMoreThanTheCredit) {
  Loopback loop;
  loop.agent_limits.session.max_deliveries = 2;
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  int calls = 0;
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer) { ++calls; }));
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer) { ++calls; }));
  const auto third = loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer) { ++calls; });
  ASSERT_FALSE(third);
  EXPECT_EQ(third.error().code, "no_credit");
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 2; }));
  ASSERT_TRUE(kept[0]->respond(test_result(), ""));
  ASSERT_TRUE(loop.run_until([&] { return loop.relay->credit() == 1; }));
  EXPECT_EQ(calls, 1);
}

TEST(Connection, FiftyMegabytesUnreadStayBoundedAndTheOthersFlow) {
  Loopback loop;
  std::vector<std::shared_ptr<IncomingDelivery>> stuck;
  loop.agent_events->on_delivery = [&](std::shared_ptr<IncomingDelivery> delivery) {
    if (delivery->head().target == "/stuck") {
      stuck.push_back(std::move(delivery));
    } else {
      spawn(loop.io.get_executor(), echo(std::move(delivery)), "echo");
    }
  };
  ASSERT_TRUE(loop.open());
  const auto big = body_of(every_byte(1 << 20));
  for (int i = 0; i < 50; ++i) {
    DeliverHead head = test_head();
    head.target = "/stuck";
    ASSERT_TRUE(loop.relay->deliver(head, big, [](DeliveryAnswer) {}));
  }
  int answered = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(loop.relay->deliver(test_head(), body_of(every_byte(300'000)), [&](DeliveryAnswer a) {
      answered += a.head.outcome == ResultOutcome::delivered && a.body == every_byte(65'536);
    }));
  }
  ASSERT_TRUE(loop.run_until([&] { return answered == 10 && stuck.size() == 50; }));
  EXPECT_LE(loop.agent->stats().buffered, 50U * 64 * 1024);
  // And the stuck ones come through, whole, once somebody reads.
  loop.relay_events->on_credit = nullptr;
  int whole = 0;
  for (auto& delivery : stuck) {
    struct Read {
      static asio::awaitable<void> all(std::shared_ptr<IncomingDelivery> d, const std::string& expected,
                                       int& count) {
        std::string body;
        while (true) {
          auto piece = co_await d->read();
          if (!piece || piece->empty()) break;
          body += *piece;
        }
        count += body == expected;
        (void)d->respond(test_result(), "");
      }
    };
    spawn(loop.io.get_executor(), Read::all(delivery, *big, whole), "read");
  }
  ASSERT_TRUE(loop.run_until([&] { return whole == 50; }));
}

TEST(Connection, CancelsOneDeliveryAndTellsTheAgent) {
  Loopback loop;
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  const auto stream =
      loop.relay->deliver(test_head(), body_of("x"), [&](DeliveryAnswer a) { answer = std::move(a); });
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 1; }));
  bool told = false;
  kept[0]->on_cancel([&] { told = true; });
  loop.relay->cancel(*stream);
  EXPECT_FALSE(answer) << "callbacks never come from inside a call";
  ASSERT_TRUE(loop.run_until([&] { return told && answer; }));
  EXPECT_EQ(answer->head.outcome, ResultOutcome::maybe_sent);
  EXPECT_EQ(answer->head.error_code, "cancelled");
  EXPECT_TRUE(kept[0]->cancelled());
  EXPECT_EQ(kept[0]->respond(test_result(), "").error().code, "cancelled");
}

TEST(Connection, CancelledBeforeItLeftIsNotSent) {
  Loopback loop;
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  const auto stream =
      loop.relay->deliver(test_head(), body_of("x"), [&](DeliveryAnswer a) { answer = std::move(a); });
  loop.relay->cancel(*stream);
  ASSERT_TRUE(loop.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->head.outcome, ResultOutcome::not_sent);
  // The next one arrives, so the numbering of streams has not suffered.
  ASSERT_TRUE(loop.relay->deliver(test_head(), body_of("x"), [](DeliveryAnswer) {}));
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 1; }));
}

TEST(Connection, DroppedUnansweredIsReset) {
  Loopback loop;
  loop.agent_events->on_delivery = [](const std::shared_ptr<IncomingDelivery>&) {};
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(loop.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->head.outcome, ResultOutcome::maybe_sent);
  EXPECT_EQ(answer->head.error_code, "agent_reset");
}

TEST(Connection, RefusedByTheAgentIsNotSent) {
  Loopback loop;
  loop.agent_events->on_delivery = [](const std::shared_ptr<IncomingDelivery>& d) {
    d->reset(ResetCode::refused);
  };
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(loop.run_until([&] { return answer.has_value(); }));
  EXPECT_EQ(answer->head.outcome, ResultOutcome::not_sent);
  EXPECT_EQ(answer->head.error_code, "agent_refused");
}

TEST(Connection, CloseTellsThePeerWhyAndAnswersEverything) {
  Loopback loop;
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  std::vector<DeliveryAnswer> answers;
  ASSERT_TRUE(
      loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answers.push_back(std::move(a)); }));
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 1; }));
  ASSERT_TRUE(
      loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answers.push_back(std::move(a)); }));
  bool told = false;
  kept[0]->on_cancel([&] { told = true; });
  loop.relay->close("revoked", "the agent has been revoked");
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->reason && loop.relay_events->reason; }));
  EXPECT_EQ(loop.relay_events->reason->code, "revoked");
  EXPECT_EQ(loop.agent_events->reason->code, "revoked");
  EXPECT_FALSE(loop.agent_events->reason->retryable);
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0].head.outcome, ResultOutcome::maybe_sent);
  EXPECT_EQ(answers[1].head.outcome, ResultOutcome::not_sent);
  EXPECT_TRUE(told);
  EXPECT_EQ(loop.relay->deliver(test_head(), nullptr, [](DeliveryAnswer) {}).error().code, "closed");
  EXPECT_EQ(loop.relay_events->closed_calls, 1);
  EXPECT_EQ(loop.agent_events->closed_calls, 1);
}

TEST(Connection, DrainsFromTheRelay) {
  Loopback loop;
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 1; }));
  loop.relay->go_away({"shutdown", "the relay restarts", std::chrono::seconds(1), std::chrono::seconds(0)});
  EXPECT_EQ(loop.relay->credit(), 0U);
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->goaway.has_value(); }));
  EXPECT_FALSE(loop.relay_events->reason);
  ASSERT_TRUE(kept[0]->respond(test_result(), "done"));
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->reason && loop.relay_events->reason; }));
  EXPECT_EQ(answer->body, "done");
  EXPECT_EQ(loop.relay_events->reason->code, "drained");
  EXPECT_EQ(loop.agent_events->reason->code, "shutdown");
  EXPECT_EQ(loop.agent_events->reason->retry_after, std::chrono::seconds(1));
}

TEST(Connection, DrainsFromTheAgentAndSendsBackWhatItWillNotStart) {
  Loopback loop;
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  std::vector<DeliveryAnswer> answers;
  const auto keep = [&](DeliveryAnswer a) { answers.push_back(std::move(a)); };
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, keep));
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 1; }));
  loop.agent->go_away({"shutdown", "the agent stops", {}, {}});
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, keep));
  ASSERT_TRUE(loop.run_until([&] { return answers.size() == 1; }));
  EXPECT_EQ(answers[0].head.outcome, ResultOutcome::not_sent);
  ASSERT_TRUE(kept[0]->respond(test_result(), "last"));
  ASSERT_TRUE(loop.run_until([&] { return loop.agent_events->reason && loop.relay_events->reason; }));
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[1].body, "last");
  EXPECT_EQ(loop.agent_events->reason->code, "drained");
  EXPECT_EQ(kept.size(), 1U);
}

TEST(Connection, DrainEndsAtItsLimit) {
  Loopback loop;
  loop.relay_limits.drain = std::chrono::milliseconds(50);
  std::vector<std::shared_ptr<IncomingDelivery>> kept;
  keep_all(loop, kept);
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(loop.run_until([&] { return kept.size() == 1; }));
  loop.relay->go_away({"shutdown", "", {}, {}});
  ASSERT_TRUE(loop.run_until([&] { return loop.relay_events->reason.has_value(); }));
  EXPECT_EQ(loop.relay_events->reason->code, "drained");
  EXPECT_EQ(answer->head.outcome, ResultOutcome::maybe_sent);
}

TEST(Connection, SilentPeerIsDead) {
  Loopback loop;
  loop.relay_limits.session.ping_after = std::chrono::milliseconds(30);
  loop.relay_limits.session.dead_after = std::chrono::milliseconds(60);
  ASSERT_TRUE(loop.open());
  auto idle = std::make_shared<bool>(false);
  // Nothing but PINGs and PONGs for several limits' time: alive.
  asio::steady_timer timer(loop.io, std::chrono::milliseconds(200));
  timer.async_wait([idle](boost::system::error_code) { *idle = true; });
  ASSERT_TRUE(loop.run_until([&] { return *idle; }));
  EXPECT_FALSE(loop.relay_events->reason);
}

TEST(Connection, AThrowingCallbackEndsOnlyItsConnection) {
  Loopback loop;
  loop.agent_events->on_delivery = [](const std::shared_ptr<IncomingDelivery>&) {
    throw std::runtime_error("fault");
  };
  ASSERT_TRUE(loop.open());
  std::optional<DeliveryAnswer> answer;
  ASSERT_TRUE(loop.relay->deliver(test_head(), nullptr, [&](DeliveryAnswer a) { answer = std::move(a); }));
  ASSERT_TRUE(
      loop.run_until([&] { return loop.agent_events->reason && loop.relay_events->reason && answer; }));
  EXPECT_EQ(loop.agent_events->reason->code, "internal_error");
}

}  // namespace
}  // namespace postern::tunnel
