// Agents that know their secret and lie once they are in, over real TLS against the real hub: each ends with
// a precise word or changes nothing, costs a bounded amount of memory, and no other agent notices.
#include <gmock/gmock.h>

#include "apps.hpp"
#include "hub_world.hpp"
#include "raw_end.hpp"
#include "tests/unit/tunnel/session_pair.hpp"
#include "tunnel-proto/app_health.hpp"
#include "tunnel-proto/rotation.hpp"

namespace postern::relay {
namespace {

using test::HttpListener;
using tunnel::append_header;
using tunnel::FrameType;
using tunnel::kFlagCritical;
using tunnel::kFlagEnd;
using tunnel::make_frame;
using tunnel::number_frame;
using tunnel::reset_frame;

std::string result_head(int status = 200) {
  tunnel::ResultHead head;
  head.outcome = tunnel::ResultOutcome::delivered;
  head.status = status;
  return tunnel::encode(head).value();
}

std::string health_of(int first, int count) {
  std::vector<tunnel::AppHealth> apps;
  for (int i = first; i < first + count; ++i)
    apps.push_back({fmt::format("app-{}", i), 80, false, "connect_failed"});
  return tunnel::encode(std::span<const tunnel::AppHealth>(apps));
}

class LyingAgent : public HubTest {
 protected:
  LyingAgent() { begin(quick_options()); }
  void begin(HubOptions options) {
    honest_.reset();
    stop_hub();
    start_hub(std::move(options));
    honest_identity_ = new_identity({fmt::format("127.0.0.1:{}", app_.port())});
    honest_ = start_agent(honest_identity_);
    wait_present(honest_identity_.agent_id, true);
    liar_identity_ = new_identity({});
  }

  /// Logged in, and with room for `credit` deliveries.
  std::unique_ptr<RawAgent> liar(std::uint64_t credit = 64, std::uint32_t capabilities = 0) {
    auto agent = RawAgent::log_in(io_, {endpoint_, liar_identity_.pins.front(), liar_identity_.agent_id,
                                        liar_identity_.secret, capabilities});
    if (!agent) throw std::runtime_error("the liar's login failed");
    agent->say(number_frame(FrameType::credit, 0, credit));
    if (capabilities == 0) wait_present(liar_identity_.agent_id, true);
    return agent;
  }
  /// How it ends when a liar says this; the others go on meanwhile and afterwards.
  std::string end_after(std::string_view frames, RawEnd::Patience patience = RawEnd::kPatience) {
    const auto agent = liar();
    agent->say(frames);
    expect_others_untouched();
    auto code = agent->end(patience);
    expect_others_untouched();
    return code;
  }
  std::string stays_after(std::string_view frames) {
    return end_after(frames, std::chrono::milliseconds(150));
  }

  /// A delivery to the liar, taken by it: the stream it came on.
  std::pair<std::uint32_t, std::future<AgentAnswer>> take_delivery(RawAgent& agent, std::string body = "b") {
    auto answer = deliver_later(liar_identity_.agent_id, request_to(1, std::move(body)));
    const auto head = agent.hear(FrameType::deliver);
    EXPECT_TRUE(head);
    return {head ? head->header.stream : 0, std::move(answer)};
  }
  struct Ended {
    std::string code;
    AgentAnswer answer;
  };
  /// The same for one who has a delivery; {stream} is what comes of `lie`.
  Ended end_with_delivery(const std::function<std::string(std::uint32_t)>& lie,
                          RawEnd::Patience patience = RawEnd::kPatience) {
    const auto agent = liar();
    auto [stream, answer] = take_delivery(*agent);
    agent->say(lie(stream));
    Ended ended{agent->end(patience), {}};
    ended.answer = answer.get();
    expect_others_untouched();
    return ended;
  }
  void expect_others_untouched() {
    const auto from = std::chrono::steady_clock::now();
    EXPECT_EQ(deliver(honest_identity_.agent_id, request_to(app_.port())).body, "ok");
    EXPECT_LT(std::chrono::steady_clock::now() - from, std::chrono::seconds(2));
  }

  HttpListener app_{HttpListener::answering([](const auto&) {
                      http::Response response;
                      response.body = "ok";
                      return response;
                    }),
                    {}};
  boost::asio::io_context io_;
  agent::Identity honest_identity_, liar_identity_;
  std::unique_ptr<TestAgent> honest_;
};

TEST_F(LyingAgent, WhoAnswersWhatNobodyAskedIsOut) {
  EXPECT_EQ(end_after(make_frame(FrameType::result, 1, result_head(), kFlagEnd)), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::result, 2, result_head(), kFlagEnd)), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::data, 1, "x")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::data, 0, "x")), "protocol");
  EXPECT_EQ(end_after(reset_frame(1)), "protocol");
  EXPECT_EQ(end_after(number_frame(FrameType::window, 1, 1 << 20)), "protocol");
}

TEST_F(LyingAgent, WhoSaysWhatOnlyARelaySaysIsOut) {
  EXPECT_EQ(end_after(make_frame(FrameType::deliver, 1, "h")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::result_ack, 0, std::string(20, 'a'))), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::rotate_ok, 0, "x")), "protocol");
}

TEST_F(LyingAgent, WhoGoesOnWithTheLoginIsOut) {
  for (const auto type : {FrameType::hello, FrameType::challenge, FrameType::proof, FrameType::auth_ok,
                          FrameType::auth_fail, FrameType::enroll})
    EXPECT_EQ(end_after(make_frame(type, 0, "x")), "protocol") << static_cast<int>(type);
}

TEST_F(LyingAgent, NonsenseEndsIt) {
  EXPECT_EQ(end_after(std::string(4096, '\xff')), "protocol");
  EXPECT_EQ(end_after("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType{99}, 0, "x", kFlagCritical)), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::goaway, 0, "\xff\xff")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::rotate, 0, "\xff\xff")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::rotate, 0, "")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::health, 0, "\xff\xff")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::credit, 0, "7")), "protocol");
}

TEST_F(LyingAgent, AFrameThatIsTooLongEndsItAtItsHeader) {
  for (const auto& [type, length] : {std::pair{FrameType::result, tunnel::kMaxMessage + 1},
                                     {FrameType::health, std::size_t{0xffff'ffff}},
                                     {FrameType::data, tunnel::kMaxData + 1}}) {
    std::string header;
    append_header(header, {type, 0, 0, static_cast<std::uint32_t>(length)});
    EXPECT_EQ(end_after(header), "protocol") << static_cast<int>(type);
  }
}

TEST_F(LyingAgent, FloodsThatDoNothingArePaidFor) {
  EXPECT_EQ(end_after(times(1000, number_frame(FrameType::ping, 0, 1))), "excessive_noise");
  EXPECT_EQ(end_after(times(1000, number_frame(FrameType::pong, 0, 1))), "excessive_noise");
  EXPECT_EQ(end_after(times(1000, number_frame(FrameType::window, 0, 1))), "excessive_noise");
  EXPECT_EQ(end_after(times(1000, make_frame(FrameType{99}, 0, "skip me"))), "excessive_noise");
  EXPECT_EQ(end_after(times(1000, number_frame(FrameType::credit, 0, 1))), "excessive_noise")
      << "credit that goes back";
}

TEST_F(LyingAgent, CreditThatGoesBackOrOverflowsChangesNothing) {
  EXPECT_EQ(stays_after(number_frame(FrameType::credit, 0, 1)), "stays");
  const auto agent = liar();
  agent->say(number_frame(FrameType::credit, 0, ~std::uint64_t{0}) + number_frame(FrameType::credit, 0, 1));
  auto [stream, answer] = take_delivery(*agent);
  agent->say(make_frame(FrameType::result, stream, result_head(), kFlagEnd));
  EXPECT_EQ(answer.get().status, 200);
}

TEST_F(LyingAgent, AHundredThousandAppsAreNotRemembered) {
  // Lists that follow each other in one message are one list.
  EXPECT_EQ(end_after(make_frame(FrameType::health, 0, health_of(0, 128) + health_of(128, 1))), "protocol");
  const auto agent = liar();
  std::string frames;
  for (int i = 0; i < 782; ++i) frames += make_frame(FrameType::health, 0, health_of(i * 128, 128));
  const std::size_t before = resident_bytes();
  agent->say(frames);
  EXPECT_EQ(agent->end(), "excessive_noise");
  EXPECT_LE(hub_->apps(liar_identity_.agent_id).size(), tunnel::kAppsMost);
  EXPECT_LT(resident_bytes(), before + 16 * kMiB);
  expect_others_untouched();
}

TEST_F(LyingAgent, OnlyThreeRotationsAreHeardAndNoneThatSkips) {
  const auto rotate = [](std::uint32_t epoch) {
    tunnel::RotateRequest request{epoch, {std::string(32, 's'), std::string(32, 'k')}};
    return make_frame(FrameType::rotate, 0, tunnel::encode(request));
  };
  EXPECT_EQ(end_after(times(4, rotate(1))), "protocol");
  const auto agent = liar();
  agent->say(rotate(7));
  const auto said = agent->hear(FrameType::rotate_ok);
  ASSERT_TRUE(said);
  EXPECT_TRUE(tunnel::decode_rotate_ok(said->payload)->refusal);
  EXPECT_EQ(authority_.key_epoch(liar_identity_.agent_id), 0u);
}

TEST_F(LyingAgent, WhoAnswersTwiceIsOutAndTheFirstAnswerIsNotTaken) {
  const auto ended = end_with_delivery(
      [](auto stream) { return times(2, make_frame(FrameType::result, stream, result_head())); });
  EXPECT_EQ(ended.code, "protocol");
  EXPECT_EQ(ended.answer.outcome, Outcome::maybe_sent);
}

TEST_F(LyingAgent, AfterAnAnswersEndNothingMoreIsHeard) {
  const auto ended = end_with_delivery([](auto stream) {
    return make_frame(FrameType::result, stream, result_head(), kFlagEnd) +
           make_frame(FrameType::data, stream, "x");
  });
  EXPECT_EQ(ended.code, "protocol");
  EXPECT_EQ(ended.answer.status, 200) << "it was whole";
}

TEST_F(LyingAgent, AnAnswerThatIsNoneIsTheDeliverysMisfortune) {
  for (const std::string& head :
       {std::string("\xff\xff"), std::string(), result_head(99), result_head(1000)}) {
    const auto ended =
        end_with_delivery([&](auto stream) { return make_frame(FrameType::result, stream, head, kFlagEnd); },
                          std::chrono::milliseconds(100));
    EXPECT_EQ(ended.code, "stays");
    EXPECT_EQ(ended.answer.outcome, Outcome::maybe_sent);
    EXPECT_EQ(ended.answer.error_code, "bad_result");
  }
}

TEST_F(LyingAgent, BytesWithoutAnAnswerEndIt) {
  const auto ended = end_with_delivery([](auto stream) { return make_frame(FrameType::data, stream, "x"); });
  EXPECT_EQ(ended.code, "protocol");
  EXPECT_EQ(ended.answer.outcome, Outcome::maybe_sent);
}

TEST_F(LyingAgent, AnAnswerWithoutEndCostsNoMemory) {
  const auto agent = liar();
  auto [stream, answer] = take_delivery(*agent);
  agent->say(make_frame(FrameType::result, stream, result_head()));
  const std::string piece = make_frame(FrameType::data, stream, std::string(16'000, 'x'));
  const std::size_t before = resident_bytes();
  std::size_t said = 0;
  while (said < 64 * kMiB && agent->say(piece)) said += piece.size();
  expect_others_untouched();
  EXPECT_LT(resident_bytes(), before + 16 * kMiB);
  // Who minds no window passes one sooner or later; the relay may as well have kept up.
  EXPECT_THAT(agent->end(std::chrono::milliseconds(300)), testing::AnyOf("flow_control", "stays"));
  agent->say(make_frame(FrameType::data, stream, "", kFlagEnd));
}

TEST_F(LyingAgent, WhoGivesBackEveryDeliveryIsOutInTheEnd) {
  constexpr int kDeliveries = 800;  // below what is under way at once; twice as many are more than is allowed
  const auto agent = liar(kDeliveries);
  std::vector<std::future<AgentAnswer>> answers;
  for (int i = 0; i < kDeliveries; ++i) {
    AgentRequest request = request_to(1, "");
    request.deadline = std::chrono::minutes(1);
    answers.push_back(deliver_later(liar_identity_.agent_id, std::move(request)));
  }
  std::string resets;
  for (int heard = 0; heard < kDeliveries;) {
    const auto said = agent->hear();
    ASSERT_TRUE(said);
    if (said->header.type != FrameType::deliver) continue;
    resets += reset_frame(said->header.stream, 2);
    ++heard;
  }
  agent->say(resets + resets);  // at once: on a slow machine one by one would be no flood
  std::string code;
  while (const auto said = agent->hear()) {
    if (said->header.type == FrameType::goaway) code = tunnel::decode_goaway(said->payload)->code;
  }
  EXPECT_EQ(code, "excessive_resets");
  for (auto& answer : answers) EXPECT_NE(answer.get().outcome, Outcome::delivered);
  expect_others_untouched();
}

TEST_F(LyingAgent, WhoGrantsAndNeverReadsIsOutWithWhatItHolds) {
  HubOptions options = quick_options();
  options.limits.session.write_stall = std::chrono::milliseconds(500);
  begin(options);
  const auto agent = liar();
  const auto body = std::make_shared<const std::string>(8 * kMiB, 'x');
  std::vector<std::future<AgentAnswer>> answers;
  const std::size_t before = resident_bytes();
  for (int i = 0; i < 64; ++i) {
    auto request = request_to(1);
    request.body = body;
    answers.push_back(deliver_later(liar_identity_.agent_id, std::move(request)));
  }
  expect_others_untouched();
  for (auto& answer : answers) EXPECT_NE(answer.get().outcome, Outcome::delivered);
  EXPECT_LT(resident_bytes(), before + 32 * kMiB) << "one body for all, and what fits the windows";
  EXPECT_FALSE(hub_->present(liar_identity_.agent_id));
  expect_others_untouched();
}

TEST_F(LyingAgent, WhoAnswersAProbeWithALieIsNeverDeliveredTo) {
  for (const std::string& head : {result_head(200), std::string("\xff"), result_head(500)}) {
    const auto agent = liar(64, tunnel::kCapabilityProbe);
    const auto probe = agent->hear(FrameType::deliver);
    ASSERT_TRUE(probe);
    ASSERT_TRUE(tunnel::decode_deliver(probe->payload)->probe);
    agent->say(make_frame(FrameType::result, probe->header.stream, head, kFlagEnd));
    EXPECT_EQ(agent->end(std::chrono::milliseconds(150)), "stays");
    EXPECT_FALSE(hub_->present(liar_identity_.agent_id));
    EXPECT_EQ(deliver(liar_identity_.agent_id, request_to(1)).error_code, "agent_away");
    expect_others_untouched();
  }
}

TEST_F(LyingAgent, ManyLiesLeaveNothingBehind) {
  const std::string noise = times(400, number_frame(FrameType::ping, 0, 1));
  const auto lie_often = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const auto agent = RawAgent::log_in(
          io_, {endpoint_, liar_identity_.pins.front(), liar_identity_.agent_id, liar_identity_.secret, 0});
      ASSERT_TRUE(agent);
      agent->say(i % 2 == 0 ? noise : make_frame(FrameType::result, 1, "x"));
      EXPECT_EQ(agent->end(), i % 2 == 0 ? "excessive_noise" : "protocol");
    }
  };
  lie_often(100);
  const std::size_t before = resident_bytes();
  lie_often(300);
  EXPECT_LT(resident_bytes(), before + 4 * kMiB);
  wait_sessions(1);
  expect_others_untouched();
}

}  // namespace
}  // namespace postern::relay
