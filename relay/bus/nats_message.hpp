#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/http/message.hpp"

namespace postern::relay {

/// How NATS is reached. The operator's own servers: no tenant names any.
struct NatsOptions {
  std::vector<std::string> servers;  ///< "nats://host:4222", "tls://host:4222"; at least one, tried in turn
  std::string credentials_file;      ///< ".creds" as nsc writes them, read at each connect; empty: none
  std::string ca_file;               ///< PEM; with it every connection is TLS. Empty: the system's anchors
  std::string name = "postern";      ///< what the server's operator sees
  Duration connect_time = std::chrono::seconds(2);
  Duration write_time =
      std::chrono::seconds(5);  ///< one write to the socket; then the connection is given up
  Duration reconnect_least = std::chrono::milliseconds(100);
  Duration reconnect_most = std::chrono::seconds(5);
  std::size_t most_requests = 8192;                ///< without an answer yet
  std::size_t most_bytes = std::size_t{32} << 20;  ///< of messages without an answer yet
};

/// Whether a server's URL can be used: nats:// or tls://, a host, a port, user and password if any; no path.
/// `invalid_nats_url`, with a message fit for the settings' reader. Pure.
Result<void> check_nats_server(std::string_view url);
/// For people and logs: scheme, host and port, without user and password.
std::string nats_server_shown(std::string_view url);

struct NatsMessage {
  std::string subject;
  http::Headers headers;  ///< names and values without CR, LF and NUL
  std::string data;

  std::size_t bytes() const;  ///< what it costs in memory
};

/// What came of a request, honestly.
struct NatsAnswer {
  enum class Kind {
    answered,       ///< `data` is what was answered
    no_responders,  ///< nobody listens on the subject: for JetStream, no stream takes it
    not_sent,       ///< no byte left this process; `code` and `message` say why
    maybe_sent,     ///< written, and no answer came: `code` and `message` say why
  };
  Kind kind = Kind::not_sent;
  std::string code;
  std::string message;
  std::string data;
};

}  // namespace postern::relay
