#include <utility>

#include "base/bytes.hpp"
#include "tunnel-proto/handshake.hpp"
#include "tunnel-proto/handshake_keys.hpp"
#include "tunnel-proto/handshake_wire.hpp"
#include "tunnel-proto/tunnel.pb.h"

namespace postern::tunnel {
namespace {

// The message for a wrong secret and for an unknown id: one and the same.
const Refusal kAuthFailed = {"auth_failed", "the relay does not accept this credential", false, Duration(0)};

}  // namespace

RelayHandshake::RelayHandshake(Settings settings, Exporter exporter, Random& random)
    : settings_(std::move(settings)),
      exporter_(std::move(exporter)),
      random_(random),
      reader_(kMaxUnproven) {}

RelayHandshake::~RelayHandshake() {
  cleanse(settings_.decoy_key);
}

std::string RelayHandshake::take_output() {
  return std::exchange(output_, {});
}

Result<RelayHandshake::Step> RelayHandshake::receive(std::string_view bytes, std::size_t* used) {
  const std::size_t offered = bytes.size();
  *used = 0;
  if (state_ != State::wait_hello && state_ != State::wait_proof) {
    state_ = State::failed;
    return fail("protocol", "the agent sent more before it was admitted");
  }
  const auto item = next_handshake_frame(reader_, bytes, received_);
  *used = offered - bytes.size();
  if (!item) {
    state_ = State::failed;
    return std::unexpected(item.error());
  }
  if (!item->has_value()) return Step::more;
  auto step = state_ == State::wait_hello ? on_hello(**item) : on_proof(**item);
  if (!step) state_ = State::failed;
  return step;
}

Result<RelayHandshake::Step> RelayHandshake::on_hello(const Frame& frame) {
  if (frame.header.type != FrameType::hello) return fail("protocol", "the first frame is not HELLO");
  auto hello = decode_hello(frame.payload);
  if (!hello) {
    if (hello.error().code == "version")
      return refuse({"version", hello.error().message, false, Duration(0)});
    return std::unexpected(hello.error());
  }
  hello_ = std::move(*hello);
  wire::Challenge challenge;
  challenge.set_version(kVersion);
  challenge.set_nonce(random_.bytes(kNonceSize));
  challenge.set_relay_id(settings_.relay_id);
  const std::string payload = challenge.SerializeAsString();
  std::string binding = exporter_(id_view(hello_.id));
  transcript_ = transcript(frame.payload, payload, binding);
  cleanse(binding);
  output_ += make_frame(FrameType::challenge, 0, payload);
  state_ = State::wait_proof;
  return Step::look_up;
}

Result<RelayHandshake::Step> RelayHandshake::on_proof(const Frame& frame) {
  wire::Proof proof;
  if (frame.header.type != FrameType::proof || !parse_message(proof, frame.payload)) {
    return fail("protocol", "the agent did not answer CHALLENGE with PROOF");
  }
  proof_ = std::move(*proof.mutable_proof());
  state_ = State::wait_account;
  return looked_up_ ? decide() : Step::more;
}

Result<RelayHandshake::Step> RelayHandshake::found(std::optional<Account> account) {
  if (looked_up_ || (state_ != State::wait_proof && state_ != State::wait_account)) {
    return fail("internal_error", "an account came that nobody had asked for");
  }
  looked_up_ = true;
  account_ = std::move(account);
  return state_ == State::wait_account ? decide() : Step::more;
}

Result<RelayHandshake::Step> RelayHandshake::decide() {
  const Verifiers verifiers =
      account_ ? account_->verifiers : decoy_verifiers(settings_.decoy_key, hello_.kind, hello_.id);
  const bool right = check_agent_proof(verifiers, transcript_, proof_);
  cleanse(proof_);
  if (!right || !account_) return refuse(kAuthFailed);
  if (account_->refusal) return refuse(*account_->refusal);
  admission_ = {
      account_->agent_id, {}, account_->generation, settings_.stream_window, settings_.session_window};
  admission_.relay_pins = settings_.relay_pins;
  random_.fill(reinterpret_cast<char*>(admission_.session_id.data()), admission_.session_id.size());
  wire::AuthOk answer;
  answer.set_params(encode_admission(admission_));
  answer.set_proof(make_relay_proof(verifiers.server_key, transcript_, answer.params()));
  output_ += make_frame(FrameType::auth_ok, 0, answer.SerializeAsString());
  state_ = State::done;
  return Step::done;
}

std::unexpected<Error> RelayHandshake::refuse(Refusal refusal) {
  output_ += make_frame(FrameType::auth_fail, 0, encode_refusal(refusal));
  state_ = State::failed;
  return fail(std::move(refusal.code), std::move(refusal.message));
}

}  // namespace postern::tunnel
