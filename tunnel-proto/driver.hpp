#pragma once
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "tunnel-proto/connection.hpp"
#include "tunnel-proto/tls_socket.hpp"

namespace postern::tunnel {

/// What both ends of a connection have in common: one socket, one reader, one writer, one timer, one loop. It
/// moves bytes and time; its heir decides. Everything an heir does in one turn of the loop leaves together at
/// the turn's end.
///
/// The life of it: TLS → open → (finish) flush, close_notify, wait for the peer's end → closed. It keeps
/// itself alive through its pending operations, and not longer.
class Driver : public std::enable_shared_from_this<Driver> {
 public:
  virtual ~Driver() = default;
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

 protected:
  Driver(boost::asio::ip::tcp::socket socket, const TlsContext& tls, const ConnectionEnv& env);

  void begin();

  // --- For the heir to write: called in a turn, never from inside a call of the heir's to the driver ---

  virtual void on_secured() = 0;  ///< TLS has finished; export_key() works
  virtual void on_bytes(std::string_view bytes) = 0;
  /// How many deliveries and results have begun to come in: somebody waits for each of those.
  virtual std::uint64_t heads() const = 0;
  virtual void on_turn() = 0;  ///< the turn is about to write: tell the user what happened
  virtual void produce(std::string& out, std::size_t enough) = 0;  ///< more to write, if there is any
  virtual void on_write_blocked(bool blocked) = 0;
  virtual void on_time() = 0;               ///< deadline() has come
  virtual SteadyTime deadline() const = 0;  ///< SteadyTime::max(): none
  virtual void on_gone(Error error) = 0;    ///< the peer or the network ended it. Not after finish()

  // --- For the heir to call ---

  void wake();  ///< a turn is wanted; cheap, and at once when one is under way
  /// What has been produced, and is still to be, leaves within limits.close; then the socket ends. Nothing is
  /// read any more.
  void finish();
  bool finishing() const {
    return phase_ == Phase::flushing || phase_ == Phase::lingering || phase_ == Phase::closed;
  }

  SteadyTime now() const { return env_.clock.steady(); }
  const ConnectionEnv& env() const { return env_; }
  TlsSocket& tls() { return tls_; }
  boost::asio::any_io_executor executor() { return tls_.socket().get_executor(); }
  std::uint64_t bytes_in() const { return bytes_in_; }
  std::uint64_t bytes_out() const { return bytes_out_; }

 private:
  enum class Phase { tls, open, flushing, lingering, closed };
  using Step = void (Driver::*)();

  /// Runs one step as a turn: exceptions end here, and what the step caused is told and written.
  void turn(Step step);
  void nothing() {}
  void readable();
  void writable();
  void wake_later();
  void secure();
  void read_some();
  void write_some();
  bool write_out(std::string_view bytes, std::size_t& done);
  void farewell();
  void linger();
  void timer_due();
  void gone(Error error);
  void close_socket();

  void wait(boost::asio::ip::tcp::socket::wait_type what);
  void post(Step step);
  void arm_timer();

  ConnectionEnv env_;
  TlsSocket tls_;
  boost::asio::steady_timer timer_;
  std::optional<SteadyTime> armed_for_;
  Phase phase_ = Phase::tls;
  bool in_turn_ = false;
  bool turn_posted_ = false;
  bool read_waits_ = false;
  bool write_waits_ = false;
  bool read_posted_ = false;
  std::string unsent_;  ///< what the socket did not take; empty while it keeps up
  SteadyTime close_by_ = SteadyTime::max();
  std::uint64_t bytes_in_ = 0;
  std::uint64_t bytes_out_ = 0;
};

}  // namespace postern::tunnel
