#include "tunnel-proto/handshake.hpp"

#include <gtest/gtest.h>

#include "base/crypto.hpp"
#include "tunnel-proto/handshake_keys.hpp"
#include "tunnel-proto/handshake_wire.hpp"
#include "tunnel-proto/tunnel.pb.h"

namespace postern::tunnel {
namespace {

const Uuid kAgent = {1, 2, 3};
const std::string kSecret(32, 'k');

Exporter channel(std::string name) {
  return [name](std::string_view context) { return sha256(name + std::string(context)); };
}

class HandshakeTest : public ::testing::Test {
 protected:
  HandshakeTest() { reset(); }

  void reset(std::string agent_channel = "c", std::string relay_channel = "c", std::string secret = kSecret) {
    Hello hello;
    hello.kind = kind_;
    hello.id = kAgent;
    hello.generation = 8;
    hello.software = "test/1";
    agent_.emplace(hello, std::move(secret), channel(std::move(agent_channel)), random_);
    relay_.emplace(RelayHandshake::Settings{"r1", std::string(32, 'd')}, channel(std::move(relay_channel)),
                   random_);
  }
  Account account() const {
    AgentId id;
    id.uuid = kAgent;
    return {derive_verifiers(kind_, kAgent, kSecret), id, 9, std::nullopt};
  }
  Result<RelayHandshake::Step> to_relay(std::string_view bytes) {
    std::size_t used = 0;
    auto step = relay_->receive(bytes, &used);
    if (step) {
      EXPECT_EQ(used, bytes.size());
    }
    return step;
  }
  Result<AgentHandshake::Step> to_agent(std::string_view bytes) {
    std::size_t used = 0;
    return agent_->receive(bytes, &used);
  }
  /// HELLO → CHALLENGE → PROOF; returns the PROOF frame.
  std::string up_to_proof() {
    EXPECT_EQ(*to_relay(agent_->start()), RelayHandshake::Step::look_up);
    EXPECT_EQ(*to_agent(relay_->take_output()), AgentHandshake::Step::send);
    return agent_->take_output();
  }

  Identity kind_ = Identity::agent;
  SeededRandom random_{1};
  std::optional<AgentHandshake> agent_;
  std::optional<RelayHandshake> relay_;
};

TEST_F(HandshakeTest, ProvesBothEnds) {
  const std::string proof = up_to_proof();
  EXPECT_EQ(*relay_->found(account()), RelayHandshake::Step::more);
  EXPECT_EQ(*to_relay(proof), RelayHandshake::Step::done);
  EXPECT_EQ(*to_agent(relay_->take_output()), AgentHandshake::Step::done);
  EXPECT_EQ(agent_->admission().agent_id.uuid, kAgent);
  EXPECT_EQ(agent_->admission().generation, 9U);
  EXPECT_EQ(agent_->admission().session_id, relay_->admission().session_id);
  EXPECT_EQ(relay_->hello().generation, 8U);
  EXPECT_EQ(relay_->hello().software, "test/1");
}

TEST_F(HandshakeTest, TheLookUpMayComeAfterTheProof) {
  const std::string proof = up_to_proof();
  EXPECT_EQ(*to_relay(proof), RelayHandshake::Step::more);
  EXPECT_EQ(*relay_->found(account()), RelayHandshake::Step::done);
}

TEST_F(HandshakeTest, WorksOneByteAtATime) {
  const auto feed = [](auto& side, std::string_view bytes) {
    for (const char c : bytes) {
      std::size_t used = 0;
      const auto step = side->receive(std::string_view(&c, 1), &used);
      EXPECT_TRUE(step);
      EXPECT_EQ(used, 1U);
    }
  };
  feed(relay_, agent_->start());
  feed(agent_, relay_->take_output());
  feed(relay_, agent_->take_output());
  EXPECT_EQ(*relay_->found(account()), RelayHandshake::Step::done);
  feed(agent_, relay_->take_output());
  EXPECT_EQ(agent_->admission().generation, 9U);
}

TEST_F(HandshakeTest, LeavesWhatFollowsAuthOkToTheSession) {
  const std::string proof = up_to_proof();
  (void)relay_->found(account());
  (void)to_relay(proof);
  const std::string ok = relay_->take_output();
  std::size_t used = 0;
  EXPECT_EQ(*agent_->receive(ok + "rest", &used), AgentHandshake::Step::done);
  EXPECT_EQ(used, ok.size());
}

TEST_F(HandshakeTest, WrongSecretAndUnknownIdFailAlike) {
  std::string answers[2];
  for (const bool known : {true, false}) {
    reset("c", "c", known ? std::string(32, 'w') : kSecret);
    const std::string proof = up_to_proof();
    (void)relay_->found(known ? std::optional(account()) : std::nullopt);
    const auto step = to_relay(proof);
    ASSERT_FALSE(step);
    EXPECT_EQ(step.error().code, "auth_failed");
    answers[known] = relay_->take_output();
    EXPECT_EQ(to_agent(answers[known]).error().code, "auth_failed");
    EXPECT_FALSE(agent_->refusal()->retryable);
  }
  EXPECT_EQ(answers[0], answers[1]);
}

TEST_F(HandshakeTest, ADecoyIsTheSameForOneIdAndFitsNothing) {
  const Verifiers one = decoy_verifiers("key", Identity::agent, kAgent);
  EXPECT_EQ(one.stored_key, decoy_verifiers("key", Identity::agent, kAgent).stored_key);
  EXPECT_NE(one.stored_key, decoy_verifiers("key", Identity::agent, Uuid{9}).stored_key);
  EXPECT_NE(one.stored_key, one.server_key);
}

TEST_F(HandshakeTest, AnotherChannelFails) {
  reset("one TLS connection", "another TLS connection");
  const std::string proof = up_to_proof();
  (void)relay_->found(account());
  EXPECT_EQ(to_relay(proof).error().code, "auth_failed");
}

TEST_F(HandshakeTest, AnAgentOnAnotherChannelDoesNotBelieveAuthOk) {
  // A relay that would let anything pass still cannot make up the proof for the agent's channel.
  reset("agent's", "relay's");
  (void)up_to_proof();
  const std::string forged_t = sha256("guess");
  wire::AuthOk ok;
  ok.set_params(encode_admission({account().agent_id, {}, 9, kInitialStreamWindow, kInitialSessionWindow}));
  ok.set_proof(make_relay_proof(account().verifiers.server_key, forged_t, ok.params()));
  EXPECT_EQ(to_agent(make_frame(FrameType::auth_ok, 0, ok.SerializeAsString())).error().code,
            "relay_not_proven");
}

TEST_F(HandshakeTest, AReplayedConversationFails) {
  const std::string hello = agent_->start();
  EXPECT_TRUE(to_relay(hello));
  EXPECT_TRUE(to_agent(relay_->take_output()));
  const std::string proof = agent_->take_output();
  (void)relay_->found(account());
  EXPECT_EQ(*to_relay(proof), RelayHandshake::Step::done);
  const std::string ok = relay_->take_output();
  // To the relay: on the same channel even, its nonce is new.
  reset();
  EXPECT_TRUE(to_relay(hello));
  (void)relay_->found(account());
  EXPECT_EQ(to_relay(proof).error().code, "auth_failed");
  // To the agent: its own nonce is new.
  reset();
  (void)up_to_proof();
  EXPECT_EQ(to_agent(ok).error().code, "relay_not_proven");
}

TEST_F(HandshakeTest, AReflectedProofProvesNothing) {
  const std::string proof = up_to_proof();
  wire::Proof mine;
  ASSERT_TRUE(mine.ParseFromString(proof.substr(kHeaderSize)));
  wire::AuthOk ok;
  ok.set_params(encode_admission({account().agent_id, {}, 9, kInitialStreamWindow, kInitialSessionWindow}));
  ok.set_proof(mine.proof());
  EXPECT_EQ(to_agent(make_frame(FrameType::auth_ok, 0, ok.SerializeAsString())).error().code,
            "relay_not_proven");
}

TEST_F(HandshakeTest, TamperedHelloFails) {
  std::string hello = agent_->start();
  const std::size_t at = hello.find("test/1");
  ASSERT_NE(at, std::string::npos);
  hello[at] = 'T';
  EXPECT_TRUE(to_relay(hello));
  EXPECT_TRUE(to_agent(relay_->take_output()));
  (void)relay_->found(account());
  EXPECT_EQ(to_relay(agent_->take_output()).error().code, "auth_failed");
}

TEST_F(HandshakeTest, TamperedChallengeFails) {
  EXPECT_TRUE(to_relay(agent_->start()));
  std::string challenge = relay_->take_output();
  challenge.back() = static_cast<char>(challenge.back() ^ 1);  // the relay's name
  EXPECT_TRUE(to_agent(challenge));
  (void)relay_->found(account());
  EXPECT_EQ(to_relay(agent_->take_output()).error().code, "auth_failed");
}

TEST_F(HandshakeTest, TamperedParametersFail) {
  const std::string proof = up_to_proof();
  (void)relay_->found(account());
  (void)to_relay(proof);
  wire::AuthOk ok;
  ASSERT_TRUE(ok.ParseFromString(relay_->take_output().substr(kHeaderSize)));
  ok.mutable_params()->back() = static_cast<char>(ok.params().back() ^ 1);
  EXPECT_EQ(to_agent(make_frame(FrameType::auth_ok, 0, ok.SerializeAsString())).error().code,
            "relay_not_proven");
}

TEST_F(HandshakeTest, AJoinSecretIsNotAnAgentSecret) {
  EXPECT_NE(derive_verifiers(Identity::agent, kAgent, kSecret).stored_key,
            derive_verifiers(Identity::join, kAgent, kSecret).stored_key);
  EXPECT_NE(derive_verifiers(Identity::agent, kAgent, kSecret).stored_key,
            derive_verifiers(Identity::agent, Uuid{9}, kSecret).stored_key);
  EXPECT_NE(derive_verifiers(Identity::agent, kAgent, kSecret).stored_key,
            derive_verifiers(Identity::agent, kAgent, kSecret).server_key);
}

TEST_F(HandshakeTest, TheStoredVerifierDoesNotLogIn) {
  // A thief of the store knows StoredKey and ServerKey; the proof needs ClientKey.
  const Verifiers stolen = account().verifiers;
  const std::string t = sha256("t");
  EXPECT_FALSE(check_agent_proof(stolen, t, make_agent_proof(stolen.stored_key, t)));
  EXPECT_FALSE(check_agent_proof(stolen, t, hmac_sha256(stolen.stored_key, "agent" + t)));
  EXPECT_FALSE(check_agent_proof(stolen, t, ""));
  EXPECT_FALSE(check_agent_proof(stolen, t, std::string(33, 'x')));
  EXPECT_TRUE(
      check_agent_proof(stolen, t, make_agent_proof(client_key(Identity::agent, kAgent, kSecret), t)));
}

TEST_F(HandshakeTest, AdmissionToAnotherAgentIsNotTaken) {
  const std::string proof = up_to_proof();
  Account other = account();
  other.agent_id.uuid = {7};
  (void)relay_->found(other);
  (void)to_relay(proof);
  EXPECT_EQ(to_agent(relay_->take_output()).error().code, "protocol");
}

TEST_F(HandshakeTest, TheRelaySpeaksOnlyItsVersion) {
  wire::Hello hello;
  ASSERT_TRUE(hello.ParseFromString(agent_->start().substr(kHeaderSize)));
  hello.set_min_version(2);
  hello.set_max_version(3);
  const auto step = to_relay(make_frame(FrameType::hello, 0, hello.SerializeAsString()));
  ASSERT_FALSE(step);
  EXPECT_EQ(step.error().code, "version");
  EXPECT_EQ(to_agent(relay_->take_output()).error().code, "version");
}

TEST_F(HandshakeTest, OutOfOrderOrOddFramesEndIt) {
  EXPECT_EQ(to_relay(make_frame(FrameType::proof, 0, "x")).error().code, "protocol");
  reset();
  EXPECT_EQ(to_relay(make_frame(FrameType::hello, 1, "x")).error().code, "protocol") << "a stream";
  reset();
  EXPECT_EQ(to_relay(make_frame(FrameType::hello, 0, "x", kFlagEnd)).error().code, "protocol");
  reset();
  const std::string hello = agent_->start();
  EXPECT_TRUE(to_relay(hello));
  EXPECT_EQ(to_relay(hello).error().code, "protocol") << "HELLO twice";
  reset();
  (void)agent_->start();
  EXPECT_EQ(to_agent(make_frame(FrameType::auth_ok, 0, "")).error().code, "protocol");
  reset();
  (void)up_to_proof();
  EXPECT_EQ(to_agent(make_frame(FrameType::deliver, 1, "early")).error().code, "protocol");
}

TEST_F(HandshakeTest, BadFieldsEndIt) {
  const auto refuses = [&](auto edit) {
    reset();
    wire::Hello hello;
    ASSERT_TRUE(hello.ParseFromString(agent_->start().substr(kHeaderSize)));
    edit(hello);
    EXPECT_EQ(to_relay(make_frame(FrameType::hello, 0, hello.SerializeAsString())).error().code, "protocol");
  };
  refuses([](wire::Hello& h) { h.set_id("short"); });
  refuses([](wire::Hello& h) { h.set_instance_id(""); });
  refuses([](wire::Hello& h) { h.set_nonce("n"); });
  refuses([](wire::Hello& h) { h.set_kind(0); });
  refuses([](wire::Hello& h) { h.set_kind(3); });
  refuses([](wire::Hello& h) { h.set_binding("none"); });
  refuses([](wire::Hello& h) { h.set_stream_window(0); });
  refuses([](wire::Hello& h) { h.set_session_window(~0ULL); });
  refuses([](wire::Hello& h) { h.set_software(std::string(129, 's')); });
}

TEST_F(HandshakeTest, TooManyBytesEndIt) {
  const std::string hello = agent_->start();
  EXPECT_TRUE(to_relay(hello));
  const std::size_t left = kMaxUnproven - hello.size();
  std::size_t used = 0;
  const std::string flood = make_frame(FrameType::proof, 0, std::string(left, 'x'));
  EXPECT_FALSE(relay_->receive(flood, &used));
}

TEST_F(HandshakeTest, RefusalsAreKeptForTheProven) {
  for (const bool right : {true, false}) {
    reset("c", "c", right ? kSecret : std::string(32, 'w'));
    const std::string proof = up_to_proof();
    Account blocked = account();
    blocked.refusal = Refusal{"expired", "the token has expired", false, {}};
    (void)relay_->found(blocked);
    EXPECT_EQ(to_relay(proof).error().code, right ? "expired" : "auth_failed");
  }
}

TEST(Enroll, ComesBackAndIsChecked) {
  const EnrollRequest request{derive_verifiers(Identity::agent, kAgent, kSecret), "{}"};
  const auto back = decode_enroll(encode_enroll(request).substr(kHeaderSize));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->verifiers.stored_key, request.verifiers.stored_key);
  EXPECT_EQ(back->verifiers.server_key, request.verifiers.server_key);
  EXPECT_FALSE(decode_enroll("\xff"));
  EXPECT_FALSE(decode_enroll(encode_enroll({{"short", "short"}, ""}).substr(kHeaderSize)));
  EXPECT_FALSE(decode_enroll(encode_enroll({request.verifiers, std::string(2049, 'x')}).substr(kHeaderSize)));
}

}  // namespace
}  // namespace postern::tunnel
