#pragma once
#include <boost/asio/awaitable.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "relay/bus/nats_message.hpp"

namespace prometheus {
class Registry;
}

namespace postern::relay {

class NatsCore;

/// What a relay says to NATS and hears from it: one connection, shared by all loops.
///
/// A thread of its own connects, again and again for as long as it takes, and writes; answers come on threads
/// of the NATS library and are posted to whoever waits. So nothing here blocks a caller, and everything is
/// safe from any thread. Nothing is kept for a server that is away: what is handed in while it is gone is
/// refused at once.
class NatsClient {
 public:
  /// Begins to connect and returns at once. `metrics` outlives it.
  NatsClient(NatsOptions options, prometheus::Registry& metrics);
  /// Ends the connection. Takes as long as a look-up of the server's name and connect_time when it is just
  /// connecting, write_time when it is just writing. Afterwards no callback runs and nothing is posted.
  /// Whoever still waits in request() hears nothing before its time-out: destroy it before the loops, after
  /// they have stopped.
  ~NatsClient();
  NatsClient(const NatsClient&) = delete;

  /// Begins to end: from here on nothing is taken, and the destructor has less to wait for. Returns at once.
  void close();

  bool connected() const;
  /// The largest message the server takes, headers included; 1 MiB, its usual, before the first connection.
  std::size_t max_payload() const;

  /// Sends and waits for the answer, for at most `limit`. Never throws for what NATS does. Codes:
  ///  - not_sent: `nats_away`, `nats_busy` (too much is under way), `nats_queued` (not written in time),
  ///    `nats_unusable` (a server that takes no headers), and for ever `nats_too_large`, `nats_refused`;
  ///  - maybe_sent: `nats_connection_lost`, `nats_write_failed`, `nats_timeout`.
  boost::asio::awaitable<NatsAnswer> request(NatsMessage message, Duration limit);

  /// For small messages between the nodes of a cluster: wake-ups, which may get lost. At most once and never
  /// stored; false when it is certain that nobody will hear it (not connected, too much under way).
  bool publish(std::string_view subject, std::string_view bytes);
  /// `heard` runs on a thread of the NATS library: it posts, and does not block. For as long as the client
  /// lives, over all connections; `subject` may hold wildcards. What is said while the connection is away is
  /// not heard.
  using Heard = std::function<void(std::string_view subject, std::string_view bytes)>;
  void subscribe(std::string subject, Heard heard);

 private:
  std::shared_ptr<NatsCore> core_;
};

}  // namespace postern::relay
