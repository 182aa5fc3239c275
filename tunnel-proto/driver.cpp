#include "tunnel-proto/driver.hpp"

#include <boost/asio/post.hpp>

#include <array>
#include <exception>
#include <utility>

#include "base/log.hpp"

namespace postern::tunnel {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kRecord = 16 * 1024;        // the most one TLS record brings
constexpr std::size_t kBatch = 32 * 1024;         // written at a time; larger writes are slower under BBR
constexpr int kRecordsPerTurn = 16;               // then the other connections of this loop have their turn
constexpr std::size_t kBytesPerTurn = 64 * 1024;  // then what has come in meanwhile

/// One for a loop's thread instead of one for each of its connections.
std::array<char, kRecord>& read_buffer() {
  thread_local std::array<char, kRecord> buffer;
  return buffer;
}

}  // namespace

Driver::Driver(asio::ip::tcp::socket socket, const TlsContext& tls, const ConnectionEnv& env)
    : env_(env), tls_(std::move(socket), tls), timer_(tls_.socket().get_executor()) {}

void Driver::begin() {
  post(&Driver::secure);
}

void Driver::wake() {
  if (!in_turn_ && phase_ != Phase::closed) wake_later();
}

void Driver::wake_later() {
  if (std::exchange(turn_posted_, true)) return;
  post(&Driver::nothing);
}

void Driver::post(Step step) {
  asio::post(executor(), [self = shared_from_this(), step] {
    if (step == &Driver::nothing) self->turn_posted_ = false;
    if (step == &Driver::read_some) self->read_posted_ = false;
    self->turn(step);
  });
}

void Driver::turn(Step step) {
  if (phase_ == Phase::closed) return;
  in_turn_ = true;
  try {
    (this->*step)();
    on_turn();
    write_some();
    in_turn_ = false;  // what this last word causes is for another turn
    on_turn();
    arm_timer();
  } catch (const std::exception& fault) {
    log::error("tunnel.fault", {{"error", fault.what()}});
    if (!finishing()) {
      close_socket();
      try {
        on_gone({"internal_error", fault.what()});
        on_turn();
      } catch (const std::exception& again) {
        log::error("tunnel.fault", {{"error", again.what()}});
      }
    }
    close_socket();
  }
  in_turn_ = false;
}

// --- Reading
// ------------------------------------------------------------------------------------------------------

void Driver::wait(asio::ip::tcp::socket::wait_type what) {
  const bool read = what == asio::ip::tcp::socket::wait_read;
  bool& waits = read ? read_waits_ : write_waits_;
  if (phase_ == Phase::closed || std::exchange(waits, true)) return;
  tls_.socket().async_wait(what, [self = shared_from_this(), read](boost::system::error_code) {
    // An error shows again, and better told, at the next read or write.
    (read ? self->read_waits_ : self->write_waits_) = false;
    self->turn(read ? &Driver::readable : &Driver::writable);
  });
}

void Driver::readable() {
  switch (phase_) {
    case Phase::tls:
      return secure();
    case Phase::open:
      return read_some();
    case Phase::lingering:
      return linger();
    case Phase::flushing:
    case Phase::closed:
      return;
  }
}

void Driver::secure() {
  if (phase_ != Phase::tls) return;
  switch (tls_.handshake()) {
    case TlsSocket::Io::want_read:
      return wait(asio::ip::tcp::socket::wait_read);
    case TlsSocket::Io::want_write:
      return wait(asio::ip::tcp::socket::wait_write);
    case TlsSocket::Io::eof:
      return gone({"connection_lost", "the peer ended the connection"});
    case TlsSocket::Io::failed:
      return gone(tls_.error());
    case TlsSocket::Io::ok:
      break;
  }
  phase_ = Phase::open;
  on_secured();
  read_some();  // bytes may have come along with the last of the handshake
}

void Driver::read_some() {
  const std::uint64_t earlier = heads();
  bool waited_for = false;  // by somebody; what is bulk can wait
  for (int i = 0; i < kRecordsPerTurn && phase_ == Phase::open && !waited_for; ++i) {
    const std::uint64_t before = heads();
    std::size_t got = 0;
    auto& buffer = read_buffer();
    switch (tls_.read(buffer.data(), buffer.size(), got)) {
      case TlsSocket::Io::ok:
        bytes_in_ += got;
        on_bytes({buffer.data(), got});
        waited_for = heads() == before && before != earlier;
        break;
      case TlsSocket::Io::want_write:
        wait(asio::ip::tcp::socket::wait_write);
        [[fallthrough]];
      case TlsSocket::Io::want_read:
        return wait(asio::ip::tcp::socket::wait_read);
      case TlsSocket::Io::eof:
        return gone({"closed_by_peer", "the peer closed the connection"});
      case TlsSocket::Io::failed:
        return gone(tls_.error());
    }
  }
  if (phase_ == Phase::open && !std::exchange(read_posted_, true)) post(&Driver::read_some);
}

// --- Writing
// ------------------------------------------------------------------------------------------------------

void Driver::write_some() {
  if (write_waits_ || (phase_ != Phase::open && phase_ != Phase::flushing)) return;
  thread_local std::string batch;
  std::size_t this_turn = 0;
  while (true) {
    const bool old = !unsent_.empty();
    if (!old) {
      batch.clear();
      produce(batch, kBatch);
    }
    const std::string_view bytes = old ? unsent_ : batch;
    if (bytes.empty()) break;
    if (this_turn >= kBytesPerTurn && phase_ == Phase::open) {
      if (!old) unsent_ = batch;
      return wake_later();
    }
    std::size_t done = 0;
    const bool all = write_out(bytes, done);
    this_turn += done;
    if (phase_ == Phase::closed || phase_ == Phase::lingering) return;
    if (!all) {
      unsent_ = std::string(bytes.substr(done));
      return;
    }
    if (old) std::string().swap(unsent_);
  }
  if (phase_ == Phase::flushing) farewell();
}

bool Driver::write_out(std::string_view bytes, std::size_t& done) {
  while (done < bytes.size()) {
    std::size_t put = 0;
    switch (tls_.write(bytes.substr(done), put)) {
      case TlsSocket::Io::ok:
        done += put;
        bytes_out_ += put;
        on_write_blocked(false);
        break;
      case TlsSocket::Io::want_write:
        on_write_blocked(true);
        wait(asio::ip::tcp::socket::wait_write);
        return false;
      case TlsSocket::Io::want_read:
        wait(asio::ip::tcp::socket::wait_read);
        return false;
      case TlsSocket::Io::eof:
        gone({"closed_by_peer", "the peer closed the connection"});
        return false;
      case TlsSocket::Io::failed:
        gone(tls_.error());
        return false;
    }
  }
  return true;
}

void Driver::writable() {
  if (phase_ == Phase::tls) return secure();
  if (phase_ == Phase::open) return read_some();  // a read may have been what had to write
}

// --- The end
// ------------------------------------------------------------------------------------------------------

void Driver::finish() {
  if (finishing()) return;
  phase_ = Phase::flushing;
  close_by_ = now() + env_.limits.close;
  wake();
}

void Driver::farewell() {
  if (!tls_.secured()) return close_socket();  // nothing has been said, and nobody listens yet
  switch (tls_.close_notify()) {
    case TlsSocket::Io::want_write:
      return wait(asio::ip::tcp::socket::wait_write);
    case TlsSocket::Io::ok:
      break;
    default:
      return close_socket();
  }
  phase_ = Phase::lingering;
  linger();
}

void Driver::linger() {
  if (tls_.discard() == TlsSocket::Io::eof) return close_socket();
  wait(asio::ip::tcp::socket::wait_read);
}

void Driver::gone(Error error) {
  const bool expected = finishing();
  close_socket();
  if (!expected) on_gone(std::move(error));
}

void Driver::close_socket() {
  phase_ = Phase::closed;
  tls_.close();
  timer_.cancel();
  std::string().swap(unsent_);
}

// --- Time
// ---------------------------------------------------------------------------------------------------------

void Driver::arm_timer() {
  if (phase_ == Phase::closed) return;
  const SteadyTime due = finishing() ? close_by_ : deadline();
  // A timer that fires too early costs less than one that is set anew with every byte.
  if (due == SteadyTime::max() || (armed_for_ && *armed_for_ <= due)) return;
  armed_for_ = due;
  timer_.expires_after(std::max(due - now(), Duration(0)));
  timer_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (error == asio::error::operation_aborted) return;  // set anew, or closed
    self->armed_for_.reset();
    self->turn(&Driver::timer_due);
  });
}

void Driver::timer_due() {
  if (!finishing()) {
    if (now() >= deadline()) on_time();
  } else if (now() >= close_by_) {
    close_socket();
  }
}

}  // namespace postern::tunnel
