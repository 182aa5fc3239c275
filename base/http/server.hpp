#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http/message.hpp"

/// A strict HTTP/1.1 server: what RFC 9112 lets a server refuse, it refuses, answers 400 and closes, so that
/// no proxy in front can disagree with it about where a request ends. Every listener of the relay is one of
/// these.
namespace postern::http {

struct ServerLimits {
  std::size_t target_bytes = 8 * 1024;              ///< longer: 414
  std::size_t header_bytes = 64 * 1024;             ///< request line and headers together, longer: 431
  std::size_t header_fields = 128;                  ///< more: 431
  Duration header_time = std::chrono::seconds(10);  ///< first byte to blank line; then closed
  std::size_t body_rate = 1024;  ///< bytes/s, on average over body_rate_window; slower: closed
  Duration body_rate_window = std::chrono::seconds(30);
  /// Of the bodies that are being read or handled, over all connections; more: 503. One alone always fits. A
  /// body with a length that came with its head costs nothing.
  std::size_t body_memory = 256 * 1024 * 1024;
  Duration idle_time = std::chrono::seconds(60);   ///< between requests on one connection
  Duration write_time = std::chrono::seconds(30);  ///< a client that does not read its answer
  std::size_t connections = 10'000;                ///< more: accepted and closed at once
};

/// What a handler says once the headers are in and before a byte of the body is read.
struct ReadBody {
  std::size_t limit_bytes;  ///< longer: 413, without reading the rest
  std::uint32_t note = 0;   ///< comes back with the whole request, as Request::note
};
using HeadDecision = std::variant<ReadBody, Response>;

/// Called on the connection's loop. on_head never blocks. on_request may suspend; the request lives in its
/// frame. A throw out of either is logged as "http.handler_failed" and answered 500.
class Handler {
 public:
  virtual ~Handler() = default;
  virtual HeadDecision on_head(const Request& head) = 0;
  virtual boost::asio::awaitable<Response> on_request(Request request) = 0;
};

/// A request the gate or a limit refused, or a connection that was turned away, for counters and logs; called
/// on the connection's loop, or on the one that accepts.
struct Refusal {
  int status;               ///< what was answered; 0 when closed without an answer
  std::string_view reason;  ///< stable word such as "duplicate_content_length"
  std::string_view peer;    ///< empty for who was turned away
};
/// The reason of a connection that was closed as it came, because there were too many.
inline constexpr std::string_view kTurnedAway = "turned_away";
using RefusalObserver = std::function<void(const Refusal&)>;

/// Another protocol on the same port: a connection whose TLS begins with an offer of it (ALPN) is not this
/// server's. Its bytes are looked at, not taken, within the time of a handshake; whoever does not begin with
/// TLS is known by the first byte.
struct OtherProtocol {
  std::string alpn;
  /// On the connection's loop, which is the socket's. From then on the connection is the taker's alone.
  std::function<void(boost::asio::ip::tcp::socket)> take;
};

struct ServerOptions {
  boost::asio::ip::tcp::endpoint listen;
  ServerLimits limits;
  std::shared_ptr<boost::asio::ssl::context> tls;  ///< null: plain HTTP
  RefusalObserver on_refusal = {};                 ///< may be empty
  /// While it says so, who connects is turned away as over the limit of connections. Asked on the first loop;
  /// may be empty.
  std::function<bool()> is_full = {};
  std::optional<OtherProtocol> other = {};
};

/// One acceptor, connections dealt round robin to the loops; each connection lives and dies on its loop.
/// `handler` and the loops outlive the server; the loops have stopped before the server is destroyed.
class Server {
 public:
  Server(std::span<boost::asio::io_context* const> loops, Handler& handler, ServerOptions options);
  ~Server();

  /// Binds, listens and starts accepting; Error `listen_failed` names the address and the reason.
  Result<boost::asio::ip::tcp::endpoint> start();
  /// Stops accepting and closes idle connections. Requests that have begun are answered with Connection:
  /// close. Safe from any thread, may be called twice.
  void drain();
  /// Connections that still have an unanswered request. Safe from any thread.
  std::size_t busy() const;
  /// Open connections. Safe from any thread.
  std::size_t connections() const;
  /// Closes everything that is left. A handler under way goes on to its end; its answer is dropped.
  /// Safe from any thread.
  void stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace postern::http
