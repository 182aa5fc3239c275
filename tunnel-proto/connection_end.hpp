#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tunnel-proto/driver.hpp"
#include "tunnel-proto/session.hpp"

namespace postern::tunnel {

/// What the relay's and the agent's end do alike once bytes flow: write what waits, keep the time of the
/// phase they are in, run the session, and remember the first reason to end. The heir does the handshake and
/// the deliveries, and tells its user closed(*reason()) at the end of a turn.
class ConnectionEnd : public Driver {
 protected:
  /// `peer` is what complaints call the other side: "the agent".
  ConnectionEnd(boost::asio::ip::tcp::socket socket, const TlsContext& tls, const ConnectionEnv& env,
                std::string_view peer);
  ~ConnectionEnd() override;

  void produce(std::string& out, std::size_t enough) override;
  std::uint64_t heads() const override;
  void on_write_blocked(bool blocked) override;
  void on_time() override;
  SteadyTime deadline() const override;
  void on_gone(Error error) override;

  /// After the proof: a join connection waits for ENROLL, any other has a session.
  void await_enrollment();
  void begin_session(Role role, std::uint64_t stream_window, std::uint64_t session_window);

  /// The first reason counts. `refusal` is what the peer said, if it did.
  void end(const Error& error, const std::optional<Refusal>& refusal = std::nullopt);
  const std::optional<CloseReason>& reason() const { return reason_; }

  // --- What go_away(), close() and stats() of both are ---
  void leave(const GoAway& goaway);
  void cut(std::string_view code, std::string_view message);
  ConnectionStats measured() const;

  std::string plain_;  ///< frames outside a session, to be written
  std::unique_ptr<Session> session_;
  std::optional<FrameReader> enroll_reader_;  ///< join connections, after the proof

 private:
  const std::string_view peer_;
  SteadyTime phase_until_;  // of the handshake, the enrolment, the drain
  std::optional<CloseReason> reason_;
};

}  // namespace postern::tunnel
