#include <prometheus/gauge.h>

#include "base/log.hpp"
#include "control/descriptors.hpp"
#include "control/first_start.hpp"
#include "control/node_parts.hpp"
#include "control/store_options.hpp"
#include "relay/limits/local_limiter.hpp"
#include "relay/limits/redis_limiter.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {
namespace {

std::unexpected<Error> passed_on(const Error& error) {
  return std::unexpected(error);
}

/// Which setting it is and what can be done; the error says the address and the reason, with a full stop or
/// not.
std::unexpected<Error> not_listening(std::string_view setting, const Error& error) {
  const std::string_view reason =
      std::string_view(error.message).substr(0, error.message.find_last_not_of('.') + 1);
  return fail(error.code, fmt::format("{}.\nAnother program may have that port, or the address is not this "
                                      "host's: choose another with {} ({}).",
                                      reason, config::flag_name(setting), setting));
}

/// Refusals of the strict gate, at a level that no stranger can fill a disk with.
http::RefusalObserver log_refusals(std::string_view listener) {
  return [listener](const http::Refusal& refusal) {
    log::debug("http.refused", {{"listener", listener},
                                {"status", refusal.status},
                                {"reason", refusal.reason},
                                {"peer", refusal.peer}});
  };
}

/// As log_refusals, and counts whom nobody has spoken with.
http::RefusalObserver count_turned_away(prometheus::Registry& metrics) {
  auto& counter = prometheus::BuildCounter()
                      .Name("postern_ingest_turned_away_total")
                      .Help("Connections closed as they came: there were too many, or a loop was behind")
                      .Register(metrics)
                      .Add({});
  return [&counter, log = log_refusals("ingest")](const http::Refusal& refusal) {
    if (refusal.reason == http::kTurnedAway) return counter.Increment();
    log(refusal);
  };
}

}  // namespace

Result<void> Node::start() {
  if (auto done = parts_->open(); !done) return done;
  if (auto done = parts_->assemble(); !done) return done;
  parts_->loops.start();
  parts_->start_monitor();
  if (auto done = parts_->listen(); !done) return done;
  parts_->health.set_serving();
  return {};
}

Result<void> Node::Parts::open() {
  auto policy = relay::EgressPolicy::from_config(settings.egress.allow_networks);
  if (!policy) return passed_on(policy.error());
  egress = std::move(*policy);
  relay::StoreOptions options = store_options(settings);
  options.sqlite.writer.on_fatal = on_fatal;
  auto opened = relay::open_store(std::move(options), schedule, random, ids);
  if (!opened) return passed_on(opened.error());
  store = std::move(*opened);
  const DataDir directory(settings.data_dir);
  if (auto done = ensure_admin_key(*store, admin_key_name(settings), directory, ids, clock, random); !done)
    return done;
  keys = std::make_unique<ApiKeys>(all_api_keys(*store));
  audit = std::make_unique<AuditSink>(*store->database, ids, clock);
  auto read = relay::read_and_wait(*store->database, [this](relay::Transaction& tx) {
    catalog.replace(relay::load_catalog(tx, store->keyring));
  });
  if (!read) return read;
  store_metrics = std::make_unique<StoreMetrics>(*store);
  add_health_checks();
  return {};
}

void Node::Parts::add_health_checks() {
  health.add("store", [this]() -> Result<void> {
    const auto stats = store->database->stats();
    if (stats.failed) return fail("store_failed", "The store broke; see the log.");
    if (!store->event_log->holds_leases())
      return fail("store_unreachable", "PostgreSQL does not answer: ingest answers 503, deliveries wait.");
    if (!stats.ingest_allowed) return fail("storage_low", "The disk is nearly full: ingest answers 503.");
    return {};
  });
}

Result<void> Node::Parts::assemble() {
  reloader = std::make_unique<CatalogReloader>(loops.first().get_executor(), *store->database, store->keyring,
                                               catalog);
  authority = std::make_unique<relay::StoreAgentAuthority>(*store->database, store->keyring, catalog, clock,
                                                           [this] { reloader->request(); });
  disabler =
      std::make_unique<DestinationDisabler>(*store->database, store->keyring, catalog, *reloader, ids, clock);
  auto tls = tunnel_tls();
  if (!tls) return passed_on(tls.error());
  addresses.tunnel_pins = tls->pins;
  const auto endpoint = resolve_listen(settings.tunnel.listen);
  if (!endpoint) return passed_on(endpoint.error());
  hub = std::make_unique<relay::Hub>(loops.all(), *authority, std::move(*tls), clock, random, metrics,
                                     hub_options(*endpoint));
  tell_sessions();
  make_limits();
  connect_nats();
  make_drivers();
  make_dispatcher();
  start_redis();
  make_programs();
  follow_other_nodes();
  store->event_log->attach(*dispatcher);
  const auto recovered = store->event_log->recover();
  if (!recovered) return passed_on(recovered.error());
  if (*recovered > 0) log::info("deliveries.recovered", {{"count", *recovered}});
  dispatcher->start(*store->event_log);
  return start_chores();
}

/// Each node of a cluster can say which of them holds the session of an agent.
void Node::Parts::tell_sessions() {
  if (settings.database.empty()) return;
  sessions = std::make_shared<relay::SessionBook>(
      relay::SessionBookParts{.loop = loops.first().get_executor(),
                              .database = *store->database,
                              .clock = clock,
                              .session = [this](AgentId agent) { return hub->generation(agent); },
                              .node = [this] { return store->event_log->node(); }});
  hub->on_presence([book = sessions](AgentId agent, bool) { book->changed(agent); });
  sessions->start();
}

/// What another node changes is taken over here: configuration, keys, and the end of agents.
void Node::Parts::follow_other_nodes() {
  catalog.on_change([this](const relay::Catalog&) { hub->check_access(); });
  if (nats) wake_through_nats();
  store->event_log->on_catalog_change([this] {
    reloader->request();
    refresh_keys();
  });
}

/// Beside the subjects of events, not below them: no stream of a consumer's keeps it.
void Node::Parts::wake_through_nats() {
  const std::string subject = settings.nats.subject_prefix + "-nodes.wake";
  nats->subscribe(subject, [log = store->event_log.get()](std::string_view, std::string_view payload) {
    log->heard_wake(payload);
  });
  store->event_log->carry_wakes(
      [client = nats.get(), subject](std::string_view payload) { return client->publish(subject, payload); });
}

/// Until it has worked: a key that another node has revoked must not stay good here.
void Node::Parts::refresh_keys() {
  store->database->read([this](relay::Transaction& tx) { keys->replace(relay::ApiKeyRepository(tx).all()); },
                        [this](Result<void> done) {
                          if (done || done.error().code != "store_busy") return;
                          auto pause = std::make_shared<boost::asio::steady_timer>(
                              loops.first(), std::chrono::milliseconds(250));
                          pause->async_wait([this, pause](boost::system::error_code ec) {
                            if (!ec) refresh_keys();
                          });
                        });
}

/// The drivers are made before the admin listener is bound: with a port the system chooses there are no
/// links.
std::string Node::Parts::link_base() const {
  if (!settings.admin.public_url.empty() || settings.admin.listen.port == 0) return settings.admin.public_url;
  const auto endpoint = resolve_listen(settings.admin.listen);
  return endpoint ? url_of("http", *endpoint) : std::string();
}

/// Returns at once, connected or not: deliveries wait, and the relay is ready without it.
void Node::Parts::connect_nats() {
  if (settings.nats.servers.empty()) return;
  relay::NatsOptions options;
  options.servers = settings.nats.servers;
  options.credentials_file = settings.nats.credentials_file;
  options.ca_file = settings.nats.ca_file;
  nats = std::make_shared<relay::NatsClient>(std::move(options), metrics);
}

NatsFacts Node::Parts::nats_facts() const {
  return {.configured = nats != nullptr,
          .subject_prefix = settings.nats.subject_prefix,
          .connected = [client = nats] { return client && client->connected(); }};
}

void Node::Parts::make_drivers() {
  relay::DriverOptions options;
  options.egress = egress;
  options.ca_file = settings.egress.ca_file;
  options.event_link_base = link_base();
  options.connect_time = settings.delivery.connect_time;
  if (!settings.slack_base_url.empty())
    options.slack_stand_in = relay::parse_slack_base(settings.slack_base_url).value();
  options.nats = {.client = nats,
                  .subject_prefix = settings.nats.subject_prefix,
                  .workspace_name = [this](WorkspaceId id) {
                    const auto now = catalog.current();
                    const auto found = now->workspaces.find(id);
                    return found == now->workspaces.end() ? std::string() : found->second.name;
                  }};
  drivers.reserve(loops.size());
  for (std::size_t i = 0; i < loops.size(); ++i) drivers.push_back(relay::make_drivers(options, *hub, clock));
}

void Node::Parts::make_dispatcher() {
  std::vector<relay::LoopDrivers> on_loops;
  on_loops.reserve(loops.size());
  for (std::size_t i = 0; i < loops.size(); ++i) {
    on_loops.push_back({loops.all()[i]->get_executor(), drivers[i].by_kind()});
  }
  relay::DispatcherOptions options;
  options.leases.deliveries = settings.delivery.max_leased;
  options.leases.bytes = settings.delivery.memory;
  options.in_flight = settings.delivery.max_in_flight;
  // Another node may park what this one can make, and its wake-up may be lost.
  if (!settings.database.empty()) options.backlog_check = std::chrono::seconds(5);
  dispatcher = std::make_unique<relay::Dispatcher>(relay::DispatcherParts{
      .executor = loops.first().get_executor(),
      .loops = std::move(on_loops),
      .catalog = catalog,
      .agents = *hub,
      .clock = schedule,
      .random = random,
      .metrics = metrics,
      .disable = [this](DestinationId id, std::string reason) { disabler->disable(id, std::move(reason)); },
      .options = options,
      .shedding = &shedding,
      .breakers = breakers.get(),
      .rates = limiter.get()});
  deliveries = std::make_unique<DispatchControl>(*dispatcher);
}

void Node::Parts::make_limits() {
  if (settings.redis.target) {
    auto& up = prometheus::BuildGauge()
                   .Name("postern_redis_up")
                   .Help("1 while the connection to Redis stands")
                   .Register(metrics)
                   .Add({});
    relay::RedisOptions options;
    options.target = *settings.redis.target;
    options.on_change = [this, &up](bool is_up) {
      up.Set(is_up ? 1 : 0);
      if (is_up) breakers->look();
    };
    redis = std::make_unique<relay::RedisClient>(std::move(options), random);
    limiter = std::make_unique<relay::RedisLimiter>(
        *redis, clock, metrics, relay::RedisLimiterOptions{.prefix = settings.redis.prefix});
    breakers = std::make_unique<relay::SharedBreakers>(*redis, schedule, settings.redis.prefix);
  } else {
    limiter = std::make_unique<relay::LocalLimiter>();
  }
  activity = std::make_unique<relay::SharedActivity>(redis.get(), clock, settings.redis.prefix);
}

/// Once everything that listens to it is there. A node that has just started must not hammer what the others
/// know to be down, so it waits a moment for Redis; without Redis it starts like a node that stands alone.
void Node::Parts::start_redis() {
  if (!redis) return;
  redis->start();
  breakers->wait_caught_up(std::chrono::milliseconds(500));
}

void Node::Parts::make_programs() {
  relay::ProgramPoolOptions options;
  options.workers = settings.routes.workers;
  options.evaluator.program_time = settings.routes.program_time;
  options.evaluator.command.memory = settings.routes.memory;
  programs = std::make_unique<relay::ProgramPool>(std::move(options), metrics);
}

Result<void> Node::Parts::listen() {
  const auto tunnel_bound = hub->start();
  if (!tunnel_bound) return not_listening("tunnel.listen", tunnel_bound.error());
  tunnel_endpoint = *tunnel_bound;
  const config::Address dialled = settings.tunnel.public_address.value_or(dialled_by_agents(tunnel_endpoint));
  addresses.tunnel_host = dialled.host;
  addresses.tunnel_port = dialled.port;
  if (auto done = listen_ingest(); !done) return done;
  if (auto done = listen_admin(); !done) return done;
  // For the command line's convenience: a full disk must not keep the relay from delivering what it holds.
  const auto noted =
      DataDir(settings.data_dir).write(kAdminAddressFile, url_of("http", admin_endpoint) + "\n");
  if (!noted) log::warn("serve.admin_address_not_kept", {{"error", noted.error().message}});
  return {};
}

Result<void> Node::Parts::listen_ingest() {
  const auto endpoint = resolve_listen(settings.ingest.listen);
  if (!endpoint) return passed_on(endpoint.error());
  auto tls = ingest_tls(settings.ingest);
  if (!tls) return passed_on(tls.error());
  ingest_handler = std::make_unique<relay::IngestHandler>(
      relay::IngestParts{.catalog = catalog,
                         .log = *store->event_log,
                         .clock = clock,
                         .ids = ids,
                         .metrics = metrics,
                         .programs = *programs,
                         .audit = [this](relay::AuditEntry entry) { audit->add(std::move(entry)); },
                         .allowed = [this] { return store->database->ingest_allowed(); },
                         .limiter = *limiter,
                         .activity = activity.get(),
                         .shedding = &shedding},
      relay::IngestOptions{.store_limit = settings.ingest.store_time,
                           .turn_most = settings.overload.wait / 2,
                           .limits = {settings.ingest.source_limit, settings.ingest.workspace_limit},
                           .failures_per_minute = settings.ingest.failures_per_minute});
  http::ServerOptions options{
      .listen = *endpoint, .limits = {}, .tls = *tls, .on_refusal = count_turned_away(metrics)};
  options.limits.header_time = settings.ingest.header_time;
  options.limits.idle_time = settings.ingest.idle_time;
  options.limits.write_time = settings.ingest.write_time;
  options.limits.connections = affordable_here("ingest", settings.ingest.max_connections, 2);
  options.is_full = [handler = ingest_handler.get()] { return handler->turns_away(); };
  const auto hand_over = [to = hub.get()](auto socket) { to->hand_over(std::move(socket)); };
  if (settings.tunnel.on_public_port) options.other = {std::string(tunnel::kAlpn), hand_over};
  ingest = std::make_unique<http::Server>(loops.all(), *ingest_handler, std::move(options));
  const auto bound = ingest->start();
  if (!bound) return not_listening("ingest.listen", bound.error());
  ingest_endpoint = *bound;
  addresses.ingest_url = settings.ingest.public_url;
  if (addresses.ingest_url.empty()) addresses.ingest_url = url_of(*tls ? "https" : "http", ingest_endpoint);
  return {};
}

Result<void> Node::Parts::listen_admin() {
  const auto endpoint = resolve_listen(settings.admin.listen);
  if (!endpoint) return passed_on(endpoint.error());
  services = std::make_unique<ApiServices>(ApiServices{.database = *store->database,
                                                       .keyring = store->keyring,
                                                       .catalog = catalog,
                                                       .reloader = *reloader,
                                                       .agents = *hub,
                                                       .deliveries = *deliveries,
                                                       .ids = ids,
                                                       .clock = clock,
                                                       .random = random,
                                                       .addresses = addresses,
                                                       .egress = egress,
                                                       .programs = *programs,
                                                       .activity = *activity,
                                                       .cluster = !settings.database.empty(),
                                                       .nats = nats_facts(),
                                                       .retention = settings.retention,
                                                       .shedding = &shedding});
  admin_handler = std::make_unique<AdminHandler>(
      *services, *keys, health, std::vector<const prometheus::Collectable*>{&metrics, store_metrics.get()});
  http::ServerOptions options{
      .listen = *endpoint, .limits = {}, .tls = {}, .on_refusal = log_refusals("admin")};
  options.limits.connections = settings.admin.max_connections;
  // One loop: what the API keeps in memory needs no locks.
  admin = std::make_unique<http::Server>(loops.all().first(1), *admin_handler, std::move(options));
  const auto bound = admin->start();
  if (!bound) return not_listening("admin.listen", bound.error());
  admin_endpoint = *bound;
  return {};
}

}  // namespace postern::control
