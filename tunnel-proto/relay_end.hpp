#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tunnel-proto/connection_end.hpp"
#include "tunnel-proto/relay_connection.hpp"

namespace postern::tunnel {

/// RelayConnection on a ConnectionEnd: handshake, then either one ENROLL or a Session.
class RelayEnd final : public RelayConnection, public ConnectionEnd {
 public:
  RelayEnd(boost::asio::ip::tcp::socket socket, const TlsContext& tls, const ConnectionEnv& env,
           Options options, std::shared_ptr<RelayEvents> events);
  void start_up() { begin(); }

  std::uint32_t credit() const override { return session_ ? session_->credit() : 0; }
  Result<StreamId> deliver(const DeliverHead& head, std::shared_ptr<const std::string> body,
                           AnswerHandler done) override;
  void acknowledge(const ResultAck& ack) override;
  void ask_rotation() override;
  void cancel(StreamId stream) override;
  void announce(const GoAway& goaway) override;
  void go_away(const GoAway& goaway) override;
  void close(std::string_view code, std::string_view message) override;
  ConnectionStats stats() const override;

 private:
  struct Pending {
    AnswerHandler done;
    std::optional<ResultHead> head;
    std::string body;
  };

  void on_secured() override;
  void on_bytes(std::string_view bytes) override;
  void on_turn() override;

  // Before the session
  void shake_hands(std::string_view bytes);
  void step(Result<RelayHandshake::Step> step);
  void look_up();
  void found(std::optional<Account> account);
  void admitted();
  void receive_enroll(std::string_view bytes);
  void enroll(EnrollRequest request);
  void enrolled(std::optional<Refusal> refusal);

  // The session's events
  bool tell_next();
  void on_event(const SessionEvent& event);
  void on_rotate(const SessionEvent& event);
  void answer_rotate(const RotateAnswer& answer);
  void on_answered(const SessionEvent& event);
  void on_readable(StreamId stream);
  void on_broken(const SessionEvent& event);
  void complete(StreamId stream, DeliveryAnswer answer);
  void give_up(StreamId stream, ResultOutcome outcome, std::string code, std::string message);

  Options options_;
  std::shared_ptr<RelayEvents> events_;
  std::unique_ptr<RelayHandshake> handshake_;
  Hello hello_;
  std::optional<Account> account_;
  Admission admission_;
  std::unordered_map<StreamId, Pending> pending_;
  std::vector<std::pair<AnswerHandler, DeliveryAnswer>> completed_;  // cancelled ones: told in the next turn
  bool opened_due_ = false;
  bool enrolling_ = false;
};

}  // namespace postern::tunnel
