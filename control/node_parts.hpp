#pragma once
#include <prometheus/registry.h>

#include <memory>
#include <vector>

#include "base/clock.hpp"
#include "base/http/server.hpp"
#include "base/random.hpp"
#include "control/api/admin_handler.hpp"
#include "control/audit_sink.hpp"
#include "control/data_dir.hpp"
#include "control/dispatch_control.hpp"
#include "control/endpoints.hpp"
#include "control/loops.hpp"
#include "control/node.hpp"
#include "control/store_metrics.hpp"
#include "control/tunnel_certificate.hpp"
#include "relay/delivery/dispatcher.hpp"
#include "relay/destinations/drivers.hpp"
#include "relay/ingest/ingest_handler.hpp"
#include "relay/limits/limiter.hpp"
#include "relay/limits/redis_client.hpp"
#include "relay/limits/shared_activity.hpp"
#include "relay/limits/shared_breakers.hpp"
#include "relay/overload/load_monitor.hpp"
#include "relay/replay/runner.hpp"
#include "relay/retention/keeper.hpp"
#include "relay/routing/program_pool.hpp"
#include "relay/store/open_store.hpp"
#include "relay/tunnel/hub.hpp"
#include "relay/tunnel/session_book.hpp"
#include "relay/tunnel/store_agent_authority.hpp"

namespace postern::control {

/// The relay's parts. The order is the rule: each part refers only to those above it, so that they go down in
/// reverse: listeners, handlers, hub, dispatcher, loops, store. `close()` has stopped the loops' threads and
/// drained the store before any of it is destroyed.
struct Node::Parts {
  Parts(Settings from, std::function<void(const std::string&)> fatal)
      : settings(std::move(from)), on_fatal(std::move(fatal)), loops(settings.loops) {}

  Result<void> open();      ///< store, first start, catalog
  Result<void> assemble();  ///< hub and dispatcher; what is unfinished is taken up again
  Result<void> listen();    ///< tunnel, ingest, admin, in this order
  Result<void> listen_ingest();
  Result<void> listen_admin();
  Result<tunnel::TlsIdentity> tunnel_identity();
  Result<relay::TunnelTls> tunnel_tls();
  void follow_other_nodes();
  void tell_sessions();
  void refresh_keys();
  relay::HubOptions hub_options(boost::asio::ip::tcp::endpoint endpoint);
  std::string link_base() const;
  void connect_nats();
  void wake_through_nats();
  NatsFacts nats_facts() const;
  void make_drivers();
  void make_dispatcher();
  void make_limits();
  void start_redis();
  void make_programs();
  void start_monitor();  ///< the loops run
  Result<void> start_chores();
  void look_at_access();  ///< once an hour: secrets grow old while nothing changes
  void stop_chores();     ///< on the first loop
  void add_health_checks();
  std::size_t open_connections() const;

  const Settings settings;
  const std::function<void(const std::string&)> on_fatal;
  SystemClock clock;
  ForwardClock schedule{clock};  ///< of deliveries: what is stored as due must stay comparable
  SystemRandom random;
  IdGenerator ids{clock, random};
  prometheus::Registry metrics;
  relay::Shedding shedding{metrics};
  Health health;
  relay::EgressPolicy egress;
  relay::CatalogHolder catalog;
  PublicAddresses addresses;

  std::unique_ptr<relay::Store> store;
  std::unique_ptr<StoreMetrics> store_metrics;
  std::unique_ptr<AuditSink> audit;
  std::unique_ptr<ApiKeys> keys;

  Loops loops;
  std::unique_ptr<CatalogReloader> reloader;
  std::unique_ptr<relay::StoreAgentAuthority> authority;
  std::unique_ptr<DestinationDisabler> disabler;
  std::unique_ptr<relay::Hub> hub;
  std::shared_ptr<TunnelCertificate> certificate;
  std::unique_ptr<boost::asio::steady_timer> access_look;
  std::shared_ptr<relay::SessionBook> sessions;  ///< null on a node that stands alone
  std::shared_ptr<relay::NatsClient> nats;       ///< null without nats.url
  std::vector<relay::Drivers> drivers;           ///< one for each loop
  std::unique_ptr<relay::RedisClient> redis;     ///< null without a URL
  std::unique_ptr<relay::Limiter> limiter;
  std::unique_ptr<relay::SharedActivity> activity;
  std::unique_ptr<relay::SharedBreakers> breakers;  ///< null without Redis
  std::unique_ptr<relay::Dispatcher> dispatcher;
  std::unique_ptr<DispatchControl> deliveries;
  std::unique_ptr<relay::ProgramPool> programs;
  std::unique_ptr<relay::ReplayRunner> replays;
  std::unique_ptr<relay::RetentionKeeper> retention;
  std::unique_ptr<relay::IngestHandler> ingest_handler;
  std::unique_ptr<ApiServices> services;
  std::unique_ptr<AdminHandler> admin_handler;
  std::unique_ptr<http::Server> ingest;
  std::unique_ptr<http::Server> admin;
  std::unique_ptr<relay::LoadMonitor> monitor;

  std::size_t attempts_cut = 0;  ///< when it drained: their coroutines are still suspended
  boost::asio::ip::tcp::endpoint ingest_endpoint, tunnel_endpoint, admin_endpoint;
};

}  // namespace postern::control
