#pragma once
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "tunnel-proto/frame.hpp"
#include "tunnel-proto/handshake.hpp"
#include "tunnel-proto/tls_socket.hpp"

/// Ends of a tunnel that are right up to the login, and then say whatever a test likes: real TLS, blocking,
/// no rules.
namespace postern::relay {

class RawEnd {
 public:
  using Patience = std::chrono::milliseconds;
  static constexpr Patience kPatience = std::chrono::seconds(15);

  RawEnd(boost::asio::ip::tcp::socket socket, const tunnel::TlsContext& context);

  /// False when the peer does not take all of it in time, or not any more.
  bool say(std::string_view bytes, Patience patience = kPatience);

  struct Said {
    tunnel::FrameHeader header;
    std::string payload;
  };
  /// The next frame; nullopt at the end, or when none comes in time.
  std::optional<Said> hear(Patience patience = kPatience);
  /// The next frame of that type, whatever comes before it.
  std::optional<Said> hear(tunnel::FrameType type);
  /// Reads to the end of the connection: the code of the peer's last GOAWAY, "" when it ended without one,
  /// "stays" when it has not ended in time.
  std::string end(Patience patience = kPatience);

 protected:
  bool secure();
  std::string exporter(std::string_view context) const { return tls_.export_key(context); }
  /// Some bytes; empty at the end, or when none come in time.
  std::string read_some(Patience patience);
  std::string unread_;

 private:
  bool wait(bool writable, std::chrono::steady_clock::time_point until);
  std::optional<Said> cut_frame();

  tunnel::TlsSocket tls_;
  bool over_ = false;
};

/// An agent with a right secret.
class RawAgent : public RawEnd {
 public:
  struct Login {
    boost::asio::ip::tcp::endpoint relay;
    std::string pin;
    AgentId id;
    std::string secret;
    std::uint32_t capabilities = 0;
  };
  /// Null when the login fails.
  static std::unique_ptr<RawAgent> log_in(boost::asio::io_context& io, const Login& login);
  using RawEnd::RawEnd;

 private:
  bool prove(const Login& login);
};

/// A relay that knows one agent: listens, and takes its logins.
class RawRelay {
 public:
  /// `pins`: told in each AUTH_OK.
  RawRelay(const tunnel::TlsIdentity& identity, std::vector<std::string> pins = {});
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  class Session : public RawEnd {
   public:
    using RawEnd::RawEnd;
    bool admit(const AgentId& agent, const std::string& secret, const std::vector<std::string>& pins);
  };
  /// The next login of the agent. Null when none comes in time, or it fails.
  std::unique_ptr<Session> admit(const AgentId& agent, const std::string& secret,
                                 RawEnd::Patience patience = RawEnd::kPatience);

 private:
  tunnel::TlsContext context_;
  const std::vector<std::string> pins_;
  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
};

inline constexpr std::size_t kMiB = 1024 * 1024;

std::string times(int count, const std::string& frame);

/// Memory of this process that is really there, in bytes. 0 under a sanitizer: those keep what has been
/// freed.
std::size_t resident_bytes();

}  // namespace postern::relay
