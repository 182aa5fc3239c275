#pragma once
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "tunnel-proto/app_health.hpp"
#include "tunnel-proto/connection.hpp"
#include "tunnel-proto/rotation.hpp"

namespace postern::tunnel {

/// One delivery as the agent got it. The object may outlive the connection; then reads fail and answers go
/// nowhere. Dropping it unanswered resets the stream (internal_error). Loop thread only.
class IncomingDelivery {
 public:
  virtual ~IncomingDelivery() = default;

  virtual const DeliverHead& head() const = 0;

  /// The next piece of the body in order, as large as has arrived; empty at its end. Waits while there is
  /// nothing. Reading is what lets the relay send more: at most the stream's window waits here for a reader
  /// who does not come. Error: `cancelled` (by the relay), `connection_lost`. One read at a time.
  virtual boost::asio::awaitable<Result<std::string>> read() = 0;

  /// The answer, whole; ends the stream, also when the body has not been read to its end. Once. The relay
  /// keeps 64 KiB of `body`: cut it to that here, and set head.truncated. Error: `too_large` (the head;
  /// nothing has been sent, answer again), `cancelled`, `connection_lost`.
  virtual Result<void> respond(const ResultHead& head, std::string body) = 0;

  /// Gives up without an answer; refused promises that nothing was started.
  virtual void reset(ResetCode code) = 0;

  /// True once an answer would go nowhere.
  virtual bool cancelled() const = 0;
  /// Called once, on the loop, when the relay cancels or the connection ends before an answer; at once
  /// (posted) if that has happened already. Replaces an earlier handler.
  virtual void on_cancel(std::function<void()> handler) = 0;
};

/// What an agent does with one connection. The rules are in connection.hpp.
class AgentEvents {
 public:
  virtual ~AgentEvents() = default;

  /// Identity::agent: authenticated, and the relay has proved itself. Save admission.generation.
  virtual void opened(const Admission& admission) = 0;
  /// Check the allow-list, forward, answer. At most limits.session.max_deliveries are open at once.
  virtual void delivery(std::shared_ptr<IncomingDelivery> delivery) = 0;
  /// The relay will go away soon. With Credential::moving: open another session, then go_away() here.
  virtual void moving(const GoAway& goaway) { (void)goaway; }
  virtual void going_away(const GoAway& goaway) = 0;
  /// The relay has committed these outcomes: with Credential::journal, forget them.
  virtual void acknowledged(std::span<const ResultAck> acks) { (void)acks; }

  /// The relay asks for a new secret.
  virtual void rotation_asked() {}
  /// What came of rotate().
  virtual void rotated(const RotateAnswer& answer) { (void)answer; }

  /// Identity::join: the relay has proved itself. Make a secret, derive_verifiers(Identity::agent, agent_id,
  /// …), save the credential, then call enroll().
  virtual void joinable(AgentId agent_id) { (void)agent_id; }
  /// Identity::join: the relay has stored the verifiers. closed("enrolled") follows.
  virtual void enrolled(AgentId agent_id) { (void)agent_id; }

  virtual void closed(const CloseReason& reason) = 0;
};

/// The agent's end. Created by start(), never directly.
class AgentConnection {
 public:
  struct Credential {
    Identity kind = Identity::agent;
    Uuid id{};           ///< AgentId or JoinId
    std::string secret;  ///< 32 bytes
    Uuid instance_id{};
    std::uint64_t generation = 0;
    std::string software;
    std::uint32_t connection_index = 0;  ///< below kSessionsMost
    bool moving = false;                 ///< its user does what moving() asks for
    bool probe = false;                  ///< its user answers heads with `probe`
    bool journal = false;                ///< its user keeps outcomes until acknowledged(): SPEC.md, section 7
    std::uint32_t key_epoch = 0;
    Uuid previous_instance_id{};
  };

  /// Takes a connected socket; returns at once. `tls` is a client context with the relay's pins.
  static std::shared_ptr<AgentConnection> start(boost::asio::ip::tcp::socket socket, const TlsContext& tls,
                                                ConnectionEnv env, Credential credential,
                                                std::shared_ptr<AgentEvents> events);
  virtual ~AgentConnection() = default;

  /// After joinable(), once. `invalid` when facts_json is over 2 KiB.
  virtual Result<void> enroll(const EnrollRequest& request) = 0;

  /// How many deliveries may be in flight from now on (limits.session.max_deliveries until then): more are
  /// granted at once, fewer come about as those end that are there. Nothing before opened().
  virtual void grant(std::uint32_t deliveries) = 0;
  /// Leaves the verifiers of the secret that will be proven next; it is on disk already. rotated() follows,
  /// unless the session ends first, and then nobody knows: the same request again is answered alike. Error
  /// `closed`.
  virtual Result<void> rotate(const RotateRequest& request) = 0;

  /// Which apps can be reached, the whole of it: SPEC.md, section 9. Nothing before opened().
  virtual void health(std::span<const AppHealth> apps) = 0;

  /// Asks now whether the relay is there (after a change of network or a sleep): closed("peer_silent") when
  /// nothing comes within `limit`.
  virtual void probe(Duration limit) = 0;

  /// Polite end: no new deliveries are taken (those on the way come back to the relay as not_sent), those in
  /// flight may finish within limits.drain, then closed("drained").
  virtual void go_away(const GoAway& goaway) = 0;
  virtual void close(std::string_view code, std::string_view message) = 0;

  virtual ConnectionStats stats() const = 0;
};

}  // namespace postern::tunnel
