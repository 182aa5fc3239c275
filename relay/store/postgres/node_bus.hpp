#pragma once
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "base/id.hpp"
#include "relay/store/postgres/link.hpp"
#include "relay/store/postgres/options.hpp"

namespace postern::relay {

/// Wake-ups between nodes through LISTEN and NOTIFY. A notification takes a lock at commit that all commits
/// of the database share, so none is sent from a transaction that writes: a node gathers what it has to say,
/// and sends it from a connection of its own, at most twenty times a second. Where there is a carrier (NATS)
/// it goes that way instead, and through PostgreSQL when the carrier is away. What is lost is found by
/// sweeps.
class NodeBus {
 public:
  NodeBus(const PostgresOptions& options, const std::atomic<bool>& abandon);
  ~NodeBus();

  /// Both on the bus's threads. Before start().
  void on_wake(std::function<void(std::vector<DestinationId>)> listener) { on_wake_ = std::move(listener); }
  void on_catalog_change(std::function<void()> listener);
  void carry(std::function<bool(std::string_view)> carrier);
  void start();
  void stop();  ///< idempotent

  /// Any thread; returns at once.
  void publish(std::vector<DestinationId> destinations);
  /// What a carrier brought. Any thread; after stop() it is passed over.
  void heard(std::string_view payload);

 private:
  void send();
  std::string next_payload();
  void say(const std::string& payload);
  void listen();
  void receive(pg::Connection& connection);
  void look_at_catalog(pg::Connection& connection);

  pg::Link sender_, listener_;
  const std::string name_;  ///< tells this node's own messages from the others'
  std::function<void(std::vector<DestinationId>)> on_wake_;
  std::function<bool(std::string_view)> carrier_;
  std::mutex hearing_;  ///< held while the listener is told: stop() waits for that
  bool deaf_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::function<void()> on_catalog_change_;
  std::set<DestinationId> waiting_;
  bool stopping_ = false;
  std::atomic<bool> stop_listening_{false};
  std::int64_t catalog_version_ = 0;
  std::thread send_thread_, listen_thread_;
};

}  // namespace postern::relay
