#include <utility>

#include "base/bytes.hpp"
#include "tunnel-proto/handshake.hpp"
#include "tunnel-proto/handshake_keys.hpp"
#include "tunnel-proto/handshake_wire.hpp"
#include "tunnel-proto/tunnel.pb.h"

namespace postern::tunnel {

AgentHandshake::AgentHandshake(Hello hello, std::string secret, Exporter exporter, Random& random)
    : hello_(std::move(hello)),
      secret_(std::move(secret)),
      exporter_(std::move(exporter)),
      nonce_(random.bytes(kNonceSize)),
      reader_(kMaxUnproven) {}

AgentHandshake::~AgentHandshake() {
  cleanse(secret_);
}

std::string AgentHandshake::start() {
  state_ = State::wait_challenge;
  hello_bytes_ = encode_hello(hello_, nonce_);
  return make_frame(FrameType::hello, 0, hello_bytes_);
}

std::string AgentHandshake::take_output() {
  return std::exchange(output_, {});
}

Result<AgentHandshake::Step> AgentHandshake::receive(std::string_view bytes, std::size_t* used) {
  const std::size_t offered = bytes.size();
  *used = 0;
  if (state_ != State::wait_challenge && state_ != State::wait_auth_ok)
    return fail("protocol", "the handshake is over");
  const auto item = next_handshake_frame(reader_, bytes, received_);
  *used = offered - bytes.size();
  if (!item) {
    state_ = State::failed;
    return std::unexpected(item.error());
  }
  if (!item->has_value()) return Step::more;
  const Frame& frame = **item;
  auto step = frame.header.type == FrameType::auth_fail ? Result<Step>(on_auth_fail(frame))
              : state_ == State::wait_challenge         ? on_challenge(frame)
                                                        : on_auth_ok(frame);
  if (!step) state_ = State::failed;
  return step;
}

Result<AgentHandshake::Step> AgentHandshake::on_challenge(const Frame& frame) {
  wire::Challenge challenge;
  if (frame.header.type != FrameType::challenge || !parse_message(challenge, frame.payload)) {
    return fail("protocol", "the relay did not answer HELLO with a CHALLENGE");
  }
  if (challenge.version() != kVersion)
    return fail("protocol", "the relay chose a version that was not offered");
  if (challenge.nonce().size() != kNonceSize)
    return fail("protocol", "the relay's nonce is of the wrong size");
  std::string binding = exporter_(id_view(hello_.id));
  transcript_ = transcript(hello_bytes_, frame.payload, binding);
  cleanse(binding);
  std::string key = client_key(hello_.kind, hello_.id, secret_);
  wire::Proof proof;
  proof.set_proof(make_agent_proof(key, transcript_));
  cleanse(key);
  output_ += make_frame(FrameType::proof, 0, proof.SerializeAsString());
  state_ = State::wait_auth_ok;
  return Step::send;
}

Result<AgentHandshake::Step> AgentHandshake::on_auth_ok(const Frame& frame) {
  wire::AuthOk answer;
  if (frame.header.type != FrameType::auth_ok || !parse_message(answer, frame.payload)) {
    return fail("protocol", "the relay did not answer PROOF with AUTH_OK or AUTH_FAIL");
  }
  std::string key = server_key(hello_.kind, hello_.id, secret_);
  const bool right = constant_time_equal(make_relay_proof(key, transcript_, answer.params()), answer.proof());
  cleanse(key);
  if (!right) {
    return fail("relay_not_proven",
                "the relay could not prove that it knows this agent: it is not the relay, or "
                "something between here and there ends TLS and starts it anew");
  }
  auto admission = decode_admission(answer.params());
  if (!admission) return std::unexpected(admission.error());
  if (hello_.kind == Identity::agent && admission->agent_id.uuid != hello_.id) {
    return fail("protocol", "the relay admitted another agent than this one");
  }
  admission_ = *admission;
  state_ = State::done;
  cleanse(secret_);
  return Step::done;
}

std::unexpected<Error> AgentHandshake::on_auth_fail(const Frame& frame) {
  refusal_ = decode_refusal(frame.payload);
  return fail(refusal_->code, refusal_->message);
}

}  // namespace postern::tunnel
