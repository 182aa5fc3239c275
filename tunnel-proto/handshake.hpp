#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/id.hpp"
#include "base/random.hpp"
#include "tunnel-proto/frame.hpp"
#include "tunnel-proto/wire.hpp"

/// Who is there: a mutual proof of one shared secret, tied to the TLS connection it runs on (SPEC.md, section
/// 3). The shape is SCRAM-SHA-256-PLUS (RFC 5802, 7677) with a TLS exporter (RFC 9266) and a secret of 256
/// random bits in place of a password. The relay keeps verifiers, never the secret; whoever steals those
/// cannot log in. A man in the middle who holds two TLS connections, with whatever certificates, has two
/// exporters, and both ends refuse.
///
/// No I/O here: bytes and decisions in, bytes and decisions out.
namespace postern::tunnel {

/// What the id in HELLO names.
enum class Identity : std::uint8_t {
  agent = 1,  ///< an enrolled agent; the secret is its own
  join = 2,   ///< a join token; the secret is the token's, good for one ENROLL
};

/// What the relay stores of a secret. 32 bytes each.
struct Verifiers {
  std::string stored_key;  ///< SHA-256(ClientKey): checks the agent. Useless for logging in
  std::string server_key;  ///< proves the relay to the agent: seal it at rest
};

/// `id` is the AgentId or JoinId; `secret` is 32 random bytes. Different ids or kinds never share keys.
Verifiers derive_verifiers(Identity kind, const Uuid& id, std::string_view secret);

/// Exports 32 bytes of this TLS connection's keying material under kExporterLabel and `context`. Only after
/// the TLS handshake has finished on this side (a TLS 1.3 server could export earlier, before the client is
/// bound).
using Exporter = std::function<std::string(std::string_view context)>;

/// What an agent says of itself. Believed only once PROOF has been checked.
struct Hello {
  Identity kind = Identity::agent;
  Uuid id{};           ///< AgentId or JoinId, by kind
  Uuid instance_id{};  ///< new at every start of the agent's process
  std::uint32_t connection_index = 0;
  std::uint64_t generation =
      0;  ///< the last one AUTH_OK gave it; a copied state directory shows as an old one
  std::uint64_t stream_window = kInitialStreamWindow;  ///< what this end can take, per stream and in all
  std::uint64_t session_window = kInitialSessionWindow;
  std::string software;            ///< "postern-agent/0.1.0"
  std::uint32_t capabilities = 0;  ///< kCapability…; unknown bits mean nothing
  std::uint32_t key_epoch = 0;     ///< of the secret that is proven: one more with each rotation
  Uuid previous_instance_id{};     ///< of the process before this one; all zero: none known
};

/// A precise refusal. Sent to a peer that has proved its secret, or for reasons that tell a stranger nothing.
struct Refusal {
  std::string code;  ///< "auth_failed", "expired", "revoked", "busy", "version", …
  std::string message;
  bool retryable = false;
  Duration retry_after{};
};

/// What the relay knows of an id.
struct Account {
  Verifiers verifiers;
  AgentId agent_id;                ///< with Identity::join: the agent this token enrols
  std::uint64_t generation = 1;    ///< the agent is to remember this one: stored generation + 1
  std::optional<Refusal> refusal;  ///< known, but not now: told only after a right proof
};

/// What both ends know once authenticated.
struct Admission {
  AgentId agent_id;
  Uuid session_id{};
  std::uint64_t generation = 0;
  std::uint64_t stream_window = kInitialStreamWindow;  ///< of the relay, as a receiver
  std::uint64_t session_window = kInitialSessionWindow;
  std::vector<std::string> relay_pins =
      {};  ///< in place of those the agent has; empty: no change. At most kMaxPins
};

/// ENROLL: what a joining agent leaves at the relay.
struct EnrollRequest {
  Verifiers verifiers;     ///< of the secret the agent made, derived with Identity::agent and its AgentId
  std::string facts_json;  ///< host facts for people: at most 2 KiB, a JSON object
};

/// The agent's half.
///
///   send(handshake.start());  then feed every received byte to receive() until it says done or failed.
class AgentHandshake {
 public:
  enum class Step { more, send, done };

  /// `exporter` is called once, from receive(). `hello.id` and `secret` are the credential.
  AgentHandshake(Hello hello, std::string secret, Exporter exporter, Random& random);
  ~AgentHandshake();
  AgentHandshake(AgentHandshake&&) = default;
  AgentHandshake& operator=(AgentHandshake&&) = delete;

  std::string start();  ///< the HELLO frame

  /// Consumes bytes of the relay and stops right behind AUTH_OK: `*used` says how many were taken, the rest
  /// belong to the session. `send`: put output() on the wire. `done`: the relay has proved itself;
  /// admission() is valid. Error: the relay's own refusal (its code; see refusal()), or `protocol`,
  /// `relay_not_proven`.
  Result<Step> receive(std::string_view bytes, std::size_t* used);
  std::string take_output();

  const Admission& admission() const { return admission_; }
  const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  Result<Step> on_challenge(const Frame& frame);
  Result<Step> on_auth_ok(const Frame& frame);
  std::unexpected<Error> on_auth_fail(const Frame& frame);

  enum class State { idle, wait_challenge, wait_auth_ok, done, failed };
  State state_ = State::idle;
  Hello hello_;
  std::string secret_;
  Exporter exporter_;
  std::string nonce_;
  std::string hello_bytes_;
  std::string transcript_;  ///< T of the spec, once CHALLENGE is here
  FrameReader reader_;
  std::size_t received_ = 0;
  std::string output_;
  Admission admission_;
  std::optional<Refusal> refusal_;
};

/// The relay's half. Strangers and known agents see the same frames in the same order; an unknown id is
/// checked against decoy verifiers, so it costs and takes what a wrong secret does.
class RelayHandshake {
 public:
  /// more: wait for bytes. send: output() waits for the wire. look_up: find hello().id and call found(), in
  /// any order with further receive(). done: output() holds AUTH_OK, admission() is valid.
  enum class Step { more, send, look_up, done };

  struct Settings {
    std::string relay_id;   ///< shown to agents; not secret
    std::string decoy_key;  ///< 32 random bytes, the same for the life of the process
    std::uint64_t stream_window = kInitialStreamWindow;
    std::uint64_t session_window = kInitialSessionWindow;
    std::vector<std::string> relay_pins = {};
  };

  RelayHandshake(Settings settings, Exporter exporter, Random& random);
  ~RelayHandshake();
  RelayHandshake(RelayHandshake&&) = default;
  RelayHandshake& operator=(RelayHandshake&&) = delete;

  /// One frame a call: call again with the rest while it takes bytes. Everything before `done` counts towards
  /// kMaxUnproven; more is `protocol`. On any error output() holds the AUTH_FAIL to send before closing (it
  /// may be empty).
  Result<Step> receive(std::string_view bytes, std::size_t* used);
  /// The answer to look_up: what is known of hello().id, or nullopt.
  Result<Step> found(std::optional<Account> account);
  std::string take_output();

  const Hello& hello() const { return hello_; }
  const Admission& admission() const { return admission_; }

 private:
  Result<Step> on_hello(const Frame& frame);
  Result<Step> on_proof(const Frame& frame);
  Result<Step> decide();
  std::unexpected<Error> refuse(Refusal refusal);

  enum class State { wait_hello, wait_proof, wait_account, done, failed };
  State state_ = State::wait_hello;
  Settings settings_;
  Exporter exporter_;
  Random& random_;
  Hello hello_;
  std::string hello_bytes_;
  std::string transcript_;
  std::string proof_;
  bool looked_up_ = false;
  std::optional<Account> account_;
  FrameReader reader_;
  std::size_t received_ = 0;
  std::string output_;
  Admission admission_;
};

/// ENROLL travels on a connection authenticated with Identity::join, and nowhere else.
std::string encode_enroll(const EnrollRequest& request);  ///< a whole frame
Result<EnrollRequest> decode_enroll(std::string_view payload);
std::string encode_enroll_ok(AgentId agent_id);
Result<AgentId> decode_enroll_ok(std::string_view payload);
std::string encode_enroll_fail(const Refusal& refusal);
Refusal decode_enroll_fail(std::string_view payload);

}  // namespace postern::tunnel
