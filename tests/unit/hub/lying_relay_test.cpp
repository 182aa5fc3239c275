// Relays that know the agent's verifiers and lie, over real TLS against the real agent: it says precisely why
// it leaves, keeps within its own bounds, calls no app that it was not to call, and serves the next honest
// session.
#include <gmock/gmock.h>

#include "apps.hpp"
#include "hub_world.hpp"
#include "raw_end.hpp"
#include "tests/unit/tunnel/session_pair.hpp"
#include "tunnel-proto/messages.hpp"

namespace postern::relay {
namespace {

using test::HttpListener;
using tunnel::FrameType;
using tunnel::kFlagCritical;
using tunnel::kFlagEnd;
using tunnel::make_frame;
using tunnel::number_frame;
using tunnel::reset_frame;

class LyingRelay : public testing::Test {
 protected:
  LyingRelay() {
    identity_.agent_id = ids_.of<AgentId>();
    identity_.secret = random_.bytes(32);
    identity_.pins = {*tunnel::spki_sha256(tls_.certificate_pem)};
    identity_.allow = *agent::AllowList::parse({fmt::format("127.0.0.1:{}", app_.port())});
    limits_.deliveries = 4;
  }

  std::unique_ptr<TestAgent> start(RawRelay& relay) {
    identity_.relay = {"127.0.0.1", relay.port()};
    return std::make_unique<TestAgent>(identity_, limits_);
  }
  std::unique_ptr<RawRelay::Session> admit(RawRelay& relay) {
    auto session = relay.admit(identity_.agent_id, identity_.secret);
    if (!session) throw std::runtime_error("the agent did not come");
    return session;
  }
  /// What a fresh agent does about this.
  std::string end_after(std::string_view frames, RawEnd::Patience patience = RawEnd::kPatience) {
    RawRelay relay(tls_);
    const auto agent = start(relay);
    const auto session = admit(relay);
    session->hear(FrameType::credit);
    session->say(frames);
    return session->end(patience);
  }
  std::string stays_after(std::string_view frames) {
    return end_after(frames, std::chrono::milliseconds(150));
  }

  tunnel::DeliverHead head(std::uint64_t body_size = 0) {
    tunnel::DeliverHead head;
    head.delivery_id = ids_.of<DeliveryId>();
    head.deadline = std::chrono::seconds(10);
    head.host = "127.0.0.1";
    head.port = app_.port();
    head.method = "POST";
    head.target = "/";
    head.body_size = body_size;
    return head;
  }
  static std::string deliver(std::uint32_t stream, const tunnel::DeliverHead& head) {
    return make_frame(FrameType::deliver, stream, tunnel::encode(head).value(),
                      head.body_size == 0 ? kFlagEnd : 0);
  }
  static std::string data(std::uint32_t stream, std::size_t size) {
    std::string out;
    for (; size > 0; size -= std::min<std::size_t>(size, 16'000))
      out += make_frame(FrameType::data, stream, std::string(std::min<std::size_t>(size, 16'000), 'x'));
    return out;
  }
  static std::optional<tunnel::ResultHead> result(RawEnd& session) {
    const auto said = session.hear(FrameType::result);
    if (!said) return std::nullopt;
    const auto head = tunnel::decode_result(said->payload);
    return head ? std::optional(*head) : std::nullopt;
  }
  /// What the agent makes of the next delivery: the error's code, or "reset" and that code.
  static std::string outcome(RawEnd& session) {
    while (const auto said = session.hear()) {
      if (said->header.type == FrameType::reset)
        return fmt::format("reset {}", static_cast<int>(said->payload.back()));
      if (said->header.type == FrameType::result) return tunnel::decode_result(said->payload)->error_code;
    }
    return "nothing";
  }
  /// An honest delivery, on a session of its own if need be.
  static void expect_served(RawEnd& session, std::uint32_t stream, const tunnel::DeliverHead& head) {
    session.say(deliver(stream, head));
    const auto answer = result(session);
    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200);
  }

  SystemClock clock_;
  SystemRandom random_;
  IdGenerator ids_{clock_, random_};
  tunnel::TlsIdentity tls_ = tunnel::generate_tls_identity("liar", clock_.now());
  std::atomic<int> called_ = 0;
  HttpListener app_{HttpListener::answering([this](const auto&) {
                      ++called_;
                      return http::Response();
                    }),
                    {}};
  agent::Identity identity_;
  agent::Limits limits_;
};

TEST_F(LyingRelay, BreaksTheRulesOfStreams) {
  EXPECT_EQ(end_after(deliver(2, head())), "protocol");
  EXPECT_EQ(end_after(deliver(0, head())), "protocol");
  EXPECT_EQ(end_after(times(2, deliver(1, head(10)))), "protocol");
  EXPECT_EQ(end_after(data(1, 10)), "protocol");
  EXPECT_EQ(end_after(reset_frame(1)), "protocol");
  EXPECT_EQ(end_after(number_frame(FrameType::window, 1, 1 << 20)), "protocol");
  EXPECT_EQ(called_, 0);
}

TEST_F(LyingRelay, SaysWhatOnlyAnAgentSays) {
  EXPECT_EQ(end_after(make_frame(FrameType::result, 1, "r")), "protocol");
  EXPECT_EQ(end_after(number_frame(FrameType::credit, 0, 10)), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::health, 0, "")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::enroll_ok, 0, "x")), "protocol");
}

TEST_F(LyingRelay, TalksNonsense) {
  EXPECT_EQ(end_after(std::string(4096, '\xff')), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType{99}, 0, "x", kFlagCritical)), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::goaway, 0, "\xff\xff")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::rotate, 0, "\xff\xff")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::rotate_ok, 0, "\xff\xff")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::auth_ok, 0, "x")), "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::result_ack, 0, std::string(201 * tunnel::kResultAckSize, 'a'))),
            "protocol");
  EXPECT_EQ(end_after(make_frame(FrameType::result_ack, 0, "short")), "protocol");
}

TEST_F(LyingRelay, AHeadThatIsTooLongEndsItAtItsHeader) {
  std::string header;
  tunnel::append_header(header,
                        {FrameType::deliver, 0, 1, static_cast<std::uint32_t>(tunnel::kMaxMessage + 1)});
  EXPECT_EQ(end_after(header), "protocol");
}

TEST_F(LyingRelay, AHeadThatIsNoneIsResetAndTheSessionGoesOn) {
  RawRelay relay(tls_);
  const auto agent = start(relay);
  const auto session = admit(relay);
  session->say(make_frame(FrameType::deliver, 1, "\xff\xff", kFlagEnd));
  const auto said = session->hear(FrameType::reset);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->payload, std::string("\0\0\0\x03", 4)) << "bad head";
  expect_served(*session, 3, head());
}

TEST_F(LyingRelay, SendsMoreThanWasGranted) {
  std::string frames;
  for (std::uint32_t i = 0; i < 5; ++i) frames += deliver(2 * i + 1, head(10));
  EXPECT_EQ(end_after(frames), "flow_control");
  EXPECT_EQ(called_, 0);
}

TEST_F(LyingRelay, SendsPastAWindow) {
  // The second body waits for the memory that the first one has been promised.
  limits_.body_bytes = 2 * kMiB;
  limits_.budget_bytes = 2 * kMiB + 1;
  EXPECT_EQ(end_after(deliver(1, head(2 * kMiB)) + deliver(3, head(kMiB)) + data(3, 64 * 1024 + 1)),
            "flow_control");
  EXPECT_EQ(called_, 0);
}

TEST_F(LyingRelay, PromisesBodiesThatNeverCome) {
  limits_.budget_bytes = 20 * kMiB;
  RawRelay relay(tls_);
  const auto agent = start(relay);
  const auto session = admit(relay);
  const std::size_t before = resident_bytes();
  auto promise = head(20 * kMiB - 1);
  promise.deadline = std::chrono::milliseconds(300);
  session->say(deliver(1, promise) + deliver(3, head(kMiB)));
  EXPECT_LT(resident_bytes(), before + 8 * kMiB) << "what is promised is not there yet";
  const auto late = result(*session);
  ASSERT_TRUE(late);
  EXPECT_EQ(late->outcome, tunnel::ResultOutcome::not_sent);
  EXPECT_EQ(late->error_code, "timeout");
  EXPECT_EQ(called_, 0);
  expect_served(*session, 5, head());
}

TEST_F(LyingRelay, SendsAnotherBodyThanItSaid) {
  RawRelay relay(tls_);
  const auto agent = start(relay);
  const auto session = admit(relay);
  session->say(deliver(1, head(10)) + data(1, 11));
  EXPECT_EQ(outcome(*session), "reset 3");
  session->say(deliver(3, head(10)) + make_frame(FrameType::data, 3, "short", kFlagEnd));
  EXPECT_EQ(outcome(*session), "reset 3");
  EXPECT_EQ(called_, 0);
  expect_served(*session, 5, head());
}

TEST_F(LyingRelay, FloodsWithWhatDoesNothing) {
  EXPECT_EQ(end_after(times(1000, number_frame(FrameType::ping, 0, 1))), "excessive_noise");
  EXPECT_EQ(end_after(times(1000, number_frame(FrameType::pong, 0, 1))), "excessive_noise");
  EXPECT_EQ(end_after(times(1000, number_frame(FrameType::window, 0, 1))), "excessive_noise");
  EXPECT_EQ(end_after(times(1000, make_frame(FrameType{99}, 0, "skip me"))), "excessive_noise");
}

TEST_F(LyingRelay, FloodsWithDeliveriesThatItTakesBack) {
  std::string frames;
  for (std::uint32_t i = 0; i < 1000; ++i) frames += deliver(2 * i + 1, head(10)) + reset_frame(2 * i + 1);
  EXPECT_EQ(end_after(frames), "excessive_resets");
  EXPECT_EQ(called_, 0);
}

TEST_F(LyingRelay, AcknowledgesWhatItWasNeverTold) {
  RawRelay relay(tls_);
  const auto agent = start(relay);
  const auto session = admit(relay);
  session->say(
      times(200, make_frame(FrameType::result_ack, 0, std::string(200 * tunnel::kResultAckSize, 'a'))));
  const auto told = head();
  expect_served(*session, 1, told);
  expect_served(*session, 3, told);
  EXPECT_EQ(called_, 1) << "the journal still knows the first answer";
}

TEST_F(LyingRelay, ProbesWithoutPauseAndTheAgentCallsNoAppForIt) {
  RawRelay relay(tls_);
  const auto agent = start(relay);
  const auto session = admit(relay);
  const std::size_t before = resident_bytes();
  auto probe = head();
  probe.probe = true;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    session->say(deliver(2 * i + 1, probe));
    ASSERT_EQ(result(*session)->status, 204) << i;
  }
  EXPECT_EQ(called_, 0);
  EXPECT_LT(resident_bytes(), before + 8 * kMiB);
  expect_served(*session, 20'001, head());
}

TEST_F(LyingRelay, NamesKeysThatAreNone) {
  for (const std::vector<std::string>& pins : {std::vector<std::string>{"short"},
                                               {std::string(33, 'p')},
                                               std::vector<std::string>(100, std::string(32, 'p'))}) {
    RawRelay relay(tls_, pins);
    const auto agent = start(relay);
    const auto session = admit(relay);
    EXPECT_EQ(session->end(), "") << "before it has proved itself a relay is told nothing";
    const auto again = admit(relay);  // the agent knows this relay by the key it had before
    EXPECT_EQ(again->end(), "");
  }
}

TEST_F(LyingRelay, SaysGoodbyeAgainAndAgain) {
  RawRelay relay(tls_);
  const auto agent = start(relay);
  const auto session = admit(relay);
  tunnel::GoAway goaway{"shutdown", std::string(100'000, 'm'), std::chrono::milliseconds(1), {}};
  goaway.last_stream = 0;
  session->say(times(3, make_frame(FrameType::goaway, 0, tunnel::encode(goaway))));
  const auto again = admit(relay);
  expect_served(*again, 1, head());
}

TEST_F(LyingRelay, AfterALieTheNextHonestSessionIsServed) {
  RawRelay relay(tls_);
  const auto agent = start(relay);
  for (int i = 0; i < 3; ++i) {
    const auto lying = admit(relay);
    lying->say(make_frame(FrameType::data, 1, "x"));
    EXPECT_EQ(lying->end(), "protocol");
  }
  const auto honest = admit(relay);
  expect_served(*honest, 1, head());
}

}  // namespace
}  // namespace postern::relay
