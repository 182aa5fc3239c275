#include "tunnel-proto/connection_end.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "tunnel-proto/close_reason.hpp"

namespace postern::tunnel {

ConnectionEnd::ConnectionEnd(boost::asio::ip::tcp::socket socket, const TlsContext& tls,
                             const ConnectionEnv& env, std::string_view peer)
    : Driver(std::move(socket), tls, env), peer_(peer), phase_until_(now() + env.limits.handshake) {}

ConnectionEnd::~ConnectionEnd() = default;

void ConnectionEnd::await_enrollment() {
  enroll_reader_.emplace(kMaxUnproven);
  phase_until_ = now() + env().limits.enroll;
}

void ConnectionEnd::begin_session(Role role, std::uint64_t stream_window, std::uint64_t session_window) {
  phase_until_ = SteadyTime::max();
  session_ = std::make_unique<Session>(
      Session::Settings{role, env().limits.session, stream_window, session_window}, now());
}

void ConnectionEnd::produce(std::string& out, std::size_t enough) {
  if (!plain_.empty()) out += std::exchange(plain_, {});
  if (session_) session_->produce(out, enough);
}

std::uint64_t ConnectionEnd::heads() const {
  return session_ ? session_->heads() : 0;
}

void ConnectionEnd::on_write_blocked(bool blocked) {
  if (!session_) return;
  if (blocked) {
    session_->write_blocked(now());
  } else {
    session_->write_progress();
  }
}

SteadyTime ConnectionEnd::deadline() const {
  return session_ ? std::min(phase_until_, session_->next_deadline()) : phase_until_;
}

void ConnectionEnd::on_time() {
  if (now() >= phase_until_) {
    if (session_) return session_->close("drained", "the time for finishing deliveries is over");
    if (enroll_reader_)
      return end({"enroll_timeout", fmt::format("joining with {} did not finish in time", peer_)});
    return end({"handshake_timeout", fmt::format("{} did not authenticate in time", peer_)});
  }
  if (session_) session_->tick(now());
}

void ConnectionEnd::on_gone(Error error) {
  if (session_) return session_->lost(std::move(error));
  end(error);
}

void ConnectionEnd::end(const Error& error, const std::optional<Refusal>& refusal) {
  if (reason_) return;
  const std::optional<GoAway> goaway = session_ ? session_->peer_goaway() : std::nullopt;
  reason_ = make_close_reason(error, session_ != nullptr, goaway, refusal, env().random);
  finish();
}

void ConnectionEnd::leave(const GoAway& goaway) {
  if (!session_ || finishing()) return;
  session_->go_away(goaway);
  phase_until_ = std::min(phase_until_, now() + env().limits.drain);
  wake();
}

void ConnectionEnd::cut(std::string_view code, std::string_view message) {
  if (finishing()) return;
  if (session_) {
    session_->close(code, message);
  } else {
    end({std::string(code), std::string(message)});
  }
  wake();
}

ConnectionStats ConnectionEnd::measured() const {
  ConnectionStats stats{bytes_in(), bytes_out(), 0, 0, 0, Duration(0)};
  if (!session_) return stats;
  stats.streams = session_->streams_opened();
  stats.open_streams = session_->open_streams();
  stats.buffered = session_->buffered();
  stats.round_trip = session_->round_trip();
  return stats;
}

}  // namespace postern::tunnel
