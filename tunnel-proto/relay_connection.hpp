#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tunnel-proto/app_health.hpp"
#include "tunnel-proto/connection.hpp"
#include "tunnel-proto/rotation.hpp"

namespace postern::tunnel {

/// What the relay decides about one connection. The rules are in connection.hpp.
class RelayEvents {
 public:
  virtual ~RelayEvents() = default;

  /// Find `hello.id`. Call `reply` once, later or at once, on this loop or any other; nullopt for an unknown
  /// id. Take the same time for known and unknown ids. Nothing in `hello` is proved yet. A reply after the
  /// connection's end is dropped.
  using AccountReply = std::function<void(std::optional<Account>)>;
  virtual void look_up(const Hello& hello, AccountReply reply) = 0;

  /// Identity::join only, after the proof: store the verifiers for account.agent_id, once per token. The same
  /// request again must succeed until the token expires (a lost answer costs nothing). Reply as for look_up,
  /// with a refusal to tell the agent, or nullopt when it is stored. The connection ends after the answer.
  using EnrollReply = std::function<void(std::optional<Refusal>)>;
  virtual void enroll(const Hello& hello, const Account& account, EnrollRequest request,
                      EnrollReply reply) = 0;

  /// Identity::agent only: authenticated. Deliveries may start as soon as credit() is above 0.
  virtual void opened(const Hello& hello, const Admission& admission) = 0;
  /// The agent changes its secret: store the verifiers beside those it has, durably. Reply as for look_up,
  /// with a refusal, or nullopt when they are stored. The same request again must succeed.
  using RotateReply = std::function<void(std::optional<Refusal>)>;
  virtual void rotate(RotateRequest request, RotateReply reply) {
    (void)request;
    reply(Refusal{"unsupported", "this relay rotates no secrets", false, Duration(0)});
  }
  /// credit() has grown from 0, or what had blocked it is gone.
  virtual void credit_available() = 0;
  /// The agent's word on its apps, the whole of it: SPEC.md, section 9.
  virtual void health(std::vector<AppHealth> apps) { (void)apps; }
  virtual void going_away(const GoAway& goaway) = 0;
  virtual void closed(const CloseReason& reason) = 0;
};

/// error_code of a DeliveryAnswer that was not told: the session ended.
inline constexpr std::string_view kConnectionLost = "connection_lost";

/// The end of one delivery on this connection.
struct DeliveryAnswer {
  ResultHead head;    ///< made up here when the stream broke: outcome not_sent or maybe_sent, error_code says
                      ///< how: "connection_lost", "agent_reset", "agent_refused", "bad_result", "cancelled"
  std::string body;   ///< at most max_answer bytes; head.truncated when there was more
  bool told = false;  ///< the agent said it; otherwise the head was made up here
};

/// The relay's end. Created by start(), never directly.
class RelayConnection {
 public:
  struct Options {
    RelayHandshake::Settings handshake;
    std::size_t max_answer = 64 * 1024;  ///< of an answer's body; an agent that sends more has it cut
  };
  using AnswerHandler = std::function<void(DeliveryAnswer)>;

  /// Takes an accepted socket; returns at once. `tls` is a server context.
  static std::shared_ptr<RelayConnection> start(boost::asio::ip::tcp::socket socket, const TlsContext& tls,
                                                ConnectionEnv env, Options options,
                                                std::shared_ptr<RelayEvents> events);
  virtual ~RelayConnection() = default;

  /// How many deliveries can be opened now. 0 before opened(), while draining and after the end.
  virtual std::uint32_t credit() const = 0;

  /// Opens a stream and sends head and body as the agent takes them. `body` may be null for none;
  /// its size counts, not head.body_size. `done` is called exactly once, when the answer is complete or the
  /// stream has broken, also when the connection ends. Errors, after which `done` is never called:
  /// `no_credit`, `closed`, `too_large` (the head).
  virtual Result<StreamId> deliver(const DeliverHead& head, std::shared_ptr<const std::string> body,
                                   AnswerHandler done) = 0;

  /// The outcome of that attempt is committed: an agent that keeps a journal may forget it. Of this
  /// connection or an earlier one of the agent.
  virtual void acknowledge(const ResultAck& ack) = 0;

  /// Asks the agent for a new secret; one that knows no rotation does nothing.
  virtual void ask_rotation() = 0;

  /// Gives up on one delivery: the agent is told, and `done` is called with maybe_sent, or not_sent while the
  /// head had not been put on the wire; code "cancelled". Unknown streams are ignored.
  virtual void cancel(StreamId stream) = 0;

  /// To an agent with kCapabilityMoving: this relay will go away soon, open another session first. Nothing
  /// changes on this one; the agent answers with its own going_away() when it has done so.
  virtual void announce(const GoAway& goaway) = 0;
  /// Polite end: no new deliveries, those in flight may finish within limits.drain, then closed("drained").
  virtual void go_away(const GoAway& goaway) = 0;
  /// Ends now: GOAWAY with the code, deliveries in flight are answered with maybe_sent (not_sent where the
  /// head had not left).
  virtual void close(std::string_view code, std::string_view message) = 0;

  virtual ConnectionStats stats() const = 0;
};

}  // namespace postern::tunnel
