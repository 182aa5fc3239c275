#pragma once
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/random.hpp"
#include "fake_event_log.hpp"
#include "relay/ingest/ingest_handler.hpp"
#include "relay/limits/local_limiter.hpp"

namespace postern::relay {

inline constexpr std::string_view kSecret = "a signing secret";

inline http::Request post(std::string target, std::string body, http::Headers headers = {}) {
  return {"POST", std::move(target), std::move(headers), std::move(body), "192.0.2.1:4711"};
}
inline http::Request github(std::string body, std::string delivery = "", std::string_view secret = kSecret) {
  http::Headers headers = {{"X-Hub-Signature-256", "sha256=" + hex_encode(hmac_sha256(secret, body))},
                           {"X-GitHub-Event", "push"}};
  if (!delivery.empty()) headers.push_back({"X-GitHub-Delivery", std::move(delivery)});
  return post("/in/default/github", std::move(body), std::move(headers));
}
inline http::Request slack(std::string body, const Clock& clock) {
  const std::string ts = std::to_string(to_unix_seconds(clock.now()));
  const std::string mac = hex_encode(hmac_sha256(kSecret, "v0:" + ts + ":" + body));
  return post("/in/default/slack", std::move(body),
              {{"Content-Type", "application/json"},
               {"X-Slack-Request-Timestamp", ts},
               {"X-Slack-Signature", "v0=" + mac}});
}

class Ingest : public testing::Test {
 protected:
  Ingest() {
    add_source("github", "github");
    add_source("slack", "slack");
    add_source("stripe", "stripe");
    add_source("chargify", "chargify");
    add_source("open", "stripe").unsigned_ok = true;
    add_source("off", "github").enabled = false;
    publish();
    make_handler(std::chrono::seconds(2));
  }

  Source& add_source(const std::string& name, std::string provider) {
    Source& source = sources[name];
    source.id = ids.make<SourceTag>();
    source.workspace_id = workspace;
    source.name = name;
    source.provider = std::move(provider);
    source.secrets = {std::string(kSecret)};
    return source;
  }
  DestinationId add_route(const std::string& source, std::optional<DestinationId> to = {},
                          bool enabled = true) {
    const DestinationId destination = to ? *to : ids.make<DestinationTag>();
    routes.push_back(
        {ids.make<RouteTag>(), workspace, sources.at(source).id, destination, enabled, clock.now()});
    return destination;
  }
  void publish() {
    auto next = std::make_shared<Catalog>();
    next->workspaces.emplace(workspace, Workspace{.id = workspace,
                                                  .name = "default",
                                                  .created_at = clock.now(),
                                                  .rate_per_second = workspace_rate.per_second,
                                                  .rate_burst = workspace_rate.burst});
    for (auto& [name, source] : sources) {
      if (source.unsigned_ok) source.secrets.clear();
      next->sources_by_path["default/" + name] = std::make_shared<Source>(source);
    }
    for (const Route& route : routes)
      next->routes_by_source[route.source_id].push_back(std::make_shared<Route>(route));
    for (const Destination& it : destinations)
      next->destinations.emplace(it.id, std::make_shared<Destination>(it));
    catalog.replace(next);
  }

  /// The head's answer if it has one, else the request's.
  http::Response ask(http::Request request) {
    http::Request head = request;
    head.body.clear();
    const auto decision = handler->on_head(head);
    if (const auto* const refused = std::get_if<http::Response>(&decision)) return *refused;
    request.note = std::get<http::ReadBody>(decision).note;
    return ask_whole(std::move(request));
  }
  http::Response ask_whole(http::Request request) {
    std::optional<http::Response> answer;
    start(std::move(request), answer);
    while (!answer && io.run_one() > 0) {
    }
    io.restart();
    if (answer) return *answer;
    ADD_FAILURE() << "no answer";
    return {};
  }
  void start(http::Request request, std::optional<http::Response>& answer) {
    boost::asio::co_spawn(io, handler->on_request(std::move(request)),
                          [&answer](std::exception_ptr error, http::Response response) {
                            EXPECT_EQ(error, nullptr);
                            answer = std::move(response);
                          });
  }
  void make_handler(Duration store_limit) {
    handler.reset();
    programs.reset();
    registry = std::make_unique<prometheus::Registry>();
    shedding = std::make_unique<Shedding>(*registry);
    ProgramPoolOptions pool;
    pool.evaluator.command.path = POSTERN_ROUTE_WORKER;
    programs = std::make_unique<ProgramPool>(std::move(pool), *registry);
    const IngestParts parts{catalog,
                            log,
                            clock,
                            ids,
                            *registry,
                            *programs,
                            [this](AuditEntry entry) { audit.push_back(std::move(entry)); },
                            [this] { return allowed; },
                            limiter,
                            &activity,
                            shedding.get()};
    options.store_limit = store_limit;
    handler = std::make_unique<IngestHandler>(parts, options);
  }
  double count(const std::string& family, const std::string& provider = "",
               const std::string& result = "") const {
    for (const auto& metrics : registry->Collect()) {
      if (metrics.name != family) continue;
      for (const auto& metric : metrics.metric) {
        const auto has = [&](const std::string& name, const std::string& value) {
          return value.empty() || std::ranges::any_of(metric.label, [&](const auto& label) {
                   return label.name == name && label.value == value;
                 });
        };
        if (has("provider", provider) && has("result", result)) return metric.counter.value;
      }
    }
    return -1;
  }
  double requests(const std::string& provider, const std::string& result) const {
    return count("postern_ingest_requests_total", provider, result);
  }

  boost::asio::io_context io;
  ManualClock clock;
  SeededRandom random{1};
  IdGenerator ids{clock, random};
  WorkspaceId workspace = ids.make<WorkspaceTag>();
  RateLimit workspace_rate;
  std::map<std::string, Source> sources;
  std::vector<Route> routes;
  std::vector<Destination> destinations;  ///< those of which more than the id matters
  CatalogHolder catalog;
  FakeEventLog log;
  std::vector<AuditEntry> audit;
  bool allowed = true;
  LocalLimiter limiter;
  SharedActivity activity{nullptr, clock};
  IngestOptions options;
  std::unique_ptr<prometheus::Registry> registry;
  std::unique_ptr<Shedding> shedding;
  std::unique_ptr<ProgramPool> programs;
  std::unique_ptr<IngestHandler> handler;
};

}  // namespace postern::relay
