#pragma once
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "tunnel-proto/agent_connection.hpp"
#include "tunnel-proto/connection_end.hpp"

namespace postern::tunnel {

class AgentEnd;

/// IncomingDelivery on one stream of an AgentEnd, which knows it weakly: the user owns it.
class IncomingStream final : public IncomingDelivery, public std::enable_shared_from_this<IncomingStream> {
 public:
  IncomingStream(std::weak_ptr<AgentEnd> connection, boost::asio::any_io_executor executor, StreamId stream,
                 DeliverHead head);
  ~IncomingStream() override;

  const DeliverHead& head() const override { return head_; }
  boost::asio::awaitable<Result<std::string>> read() override;
  Result<void> respond(const ResultHead& head, std::string body) override;
  void reset(ResetCode code) override;
  bool cancelled() const override { return state_ != State::open; }
  void on_cancel(std::function<void()> handler) override;

  void readable();
  void broken(Error error);  ///< no answer can go out any more

 private:
  enum class State { open, answered, broken };

  std::optional<Result<std::string>> try_read();
  Result<std::string> check_size(Session::Piece piece);

  std::weak_ptr<AgentEnd> connection_;
  boost::asio::any_io_executor executor_;
  const StreamId stream_;
  DeliverHead head_;
  State state_ = State::open;
  Error error_;
  std::uint64_t read_ = 0;
  bool read_to_end_ = false;
  std::optional<boost::asio::steady_timer> waiting_;  // while a read waits: cancelled when something has come
  std::function<void()> on_cancel_;
};

/// AgentConnection on a ConnectionEnd: handshake, then either one ENROLL or a Session.
class AgentEnd final : public AgentConnection, public ConnectionEnd {
 public:
  AgentEnd(boost::asio::ip::tcp::socket socket, const TlsContext& tls, const ConnectionEnv& env,
           Credential credential, std::shared_ptr<AgentEvents> events);
  ~AgentEnd() override;
  void start_up() { begin(); }

  Result<void> enroll(const EnrollRequest& request) override;
  void grant(std::uint32_t deliveries) override;
  Result<void> rotate(const RotateRequest& request) override;
  void health(std::span<const AppHealth> apps) override;
  void probe(Duration limit) override;
  void go_away(const GoAway& goaway) override;
  void close(std::string_view code, std::string_view message) override;
  ConnectionStats stats() const override;

  // --- For IncomingStream ---
  std::optional<Session::Piece> read(StreamId stream);
  void answer(StreamId stream, std::string head, std::string body);
  void reset(StreamId stream, ResetCode code);

 private:
  void on_secured() override;
  void on_bytes(std::string_view bytes) override;
  void on_turn() override;

  void shake_hands(std::string_view& bytes);
  void admitted();
  void receive_enrolled(std::string_view bytes);

  void on_event(const SessionEvent& event);
  void on_rotated(const SessionEvent& event);
  void on_opened(const SessionEvent& event);
  void on_broken(const SessionEvent& event);
  std::shared_ptr<IncomingStream> find(StreamId stream);

  enum class Told { nothing, admitted, enrolled };

  Credential credential_;
  std::shared_ptr<AgentEvents> events_;
  std::unique_ptr<AgentHandshake> handshake_;
  bool enroll_sent_ = false;
  Admission admission_;
  std::unordered_map<StreamId, std::weak_ptr<IncomingStream>> incoming_;
  Told due_ = Told::nothing;  // the next thing to tell the user
};

}  // namespace postern::tunnel
