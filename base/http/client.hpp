#pragma once
#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/address.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http/message.hpp"

/// One HTTP/1.1 exchange with a server that is not trusted: no redirects, no decompression, no cookies,
/// no proxy from the environment, one deadline over everything, and a response kept only up to a cap.
namespace postern::http {

/// Scheme, host, port and the raw target, as parsed from a URL. User info and fragments are refused.
struct Origin {
  bool tls = false;
  std::string host;  ///< name, IPv4, IPv6 without brackets, or unix:/path (see ClientOptions::unix_sockets)
  std::uint16_t port = 0;
  std::string host_header() const;  ///< host, brackets where needed, port unless the scheme's own; a unix
                                    ///< socket is "localhost"
  bool operator==(const Origin&) const = default;
};
/// What begins the host of an origin that is a socket of this machine.
inline constexpr std::string_view kUnixHost = "unix:";

struct Url {
  Origin origin;
  std::string target;  ///< path and query, at least "/"
};
/// Codes: `invalid_url`, `unsupported_scheme`. Only http and https.
Result<Url> parse_url(std::string_view text);

struct ClientRequest {
  std::string method;
  std::string target;
  Headers headers;  ///< sent in this order and case. Host and Content-Length are added unless present
  std::shared_ptr<const std::string> body;  ///< null: no body
  /// Connections are reused only by requests of the same owner: what one of them may have left behind on a
  /// connection (an answer too many, a server that took its head for two) must never meet another's.
  std::string owner = {};
  /// SHA-256 of public keys (SPKI): over TLS the server must hold one of them, and is known by that instead
  /// of by its certificate. Empty: by its certificate. Connections are reused under the same ones only.
  std::vector<std::string> pins = {};
};

/// dns, connect and tls are zero on a reused connection; first_byte counts from the last byte sent.
struct Timings {
  Duration dns{}, connect{}, tls{}, first_byte{}, total{};
};

struct ClientResponse {
  int status = 0;
  Headers headers;
  std::string body;             ///< the first ClientOptions::body_limit bytes
  bool body_truncated = false;  ///< there was more, or the body broke off, was malformed or took too long
  Timings timings;
};

/// How far an exchange that failed had come: decides whether a retry can be a repeat.
enum class Sent {
  nothing,  ///< no byte of the request left this process: safe to try again
  maybe,    ///< some byte was written; the server may have acted on it
};
struct ClientError {
  Error error;  ///< `dns_failed`, `address_refused`, `connect_failed`, `connect_timeout`, `tls_failed`,
                ///< `tls_pin_mismatch`, `timeout`, `write_failed`, `read_failed`, `malformed_response`,
                ///< `headers_too_large`, `invalid_request`, `tls_config`, and `local_resources` when this
                ///< host had no descriptor, port or look-up to spare
  Sent sent = Sent::nothing;
  Timings timings;
};

/// Says whether an address that a name resolved to may be dialled; called on the very address the socket
/// connects to, for every address tried, so a name that changes between look-up and connect gains nothing.
using AddressPolicy = std::function<bool(const boost::asio::ip::address&)>;

/// Turns a name into addresses. Replaceable for tests. Never called for literal addresses.
class Resolver {
 public:
  virtual ~Resolver() = default;
  /// Cancelling the coroutine ends it at once. Errors `dns_failed`, `local_resources`.
  virtual boost::asio::awaitable<Result<std::vector<boost::asio::ip::address>>> resolve(std::string host) = 0;
};
/// The system's: getaddrinfo, each host on a thread of its own (at most 64), so that one name server that
/// does not answer holds up no other name; all who ask for one host at a time share its look-up. Any number
/// of clients on any loops may share it.
std::shared_ptr<Resolver> system_resolver();

struct ClientOptions {
  Duration connect_time = std::chrono::seconds(5);  ///< look-up, TCP and TLS together
  std::size_t body_limit = 64 * 1024;
  std::size_t header_limit = 64 * 1024;
  bool verify_tls = true;
  std::string ca_file;     ///< extra trust anchors in PEM; empty: the system's only
  AddressPolicy may_dial;  ///< empty: every address
  /// A host unix:/path is that socket of this machine, which `may_dial` is not asked about. False: refused.
  bool unix_sockets = false;
  std::shared_ptr<Resolver> resolver;  ///< null: system_resolver()
  std::size_t idle_per_origin = 64;    ///< connections kept open for the next request; 0: none
  Duration idle_time = std::chrono::seconds(20);
  std::size_t write_chunk = 32 * 1024;  ///< bytes a write
};

/// Belongs to one loop: construct it and use it there, and destroy it after the loop has stopped or gone
/// idle. Connections are reused only for the same origin and owner, and only after a look that the server has
/// not closed them. Nothing is ever sent twice in here: a connection lost after the first byte was written is
/// the caller's `maybe`.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();

  /// `limit` covers everything from the look-up to the last byte kept. Cancelling the coroutine aborts the
  /// exchange.
  boost::asio::awaitable<std::expected<ClientResponse, ClientError>> send(Origin origin,
                                                                          ClientRequest request,
                                                                          Duration limit);

  /// Opens a connection as send() would with these `pins`, and closes it: whether the server can be reached,
  /// and is who it is to be. Not a byte of a request is sent. Errors are those of ClientError that a
  /// connection can have.
  boost::asio::awaitable<Result<void>> check(Origin origin, std::vector<std::string> pins, Duration limit);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace postern::http
