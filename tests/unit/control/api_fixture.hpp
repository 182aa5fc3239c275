#pragma once
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <boost/json.hpp>
#include <filesystem>
#include <memory>
#include <set>

#include "base/clock.hpp"
#include "control/api/admin_handler.hpp"
#include "relay/limits/shared_activity.hpp"
#include "relay/store/open_store.hpp"
#include "relay/store/repositories.hpp"

namespace postern::control {

/// Agents that tests put there and take away.
class FakeAgents final : public relay::AgentDirectory {
 public:
  bool present(AgentId agent) const override { return here.contains(agent); }
  boost::asio::awaitable<relay::AgentAnswer> deliver(AgentId, relay::AgentRequest) override {
    co_return relay::AgentAnswer{};
  }
  void acknowledge(AgentId, DeliveryId, unsigned) override {}
  void on_presence(std::function<void(AgentId, bool)>) override {}
  void disconnect(AgentId agent, std::string_view reason) override { cut.emplace_back(agent, reason); }

  std::set<AgentId> here;
  std::vector<std::pair<AgentId, std::string>> cut;
};

class FakeDeliveries final : public DeliveryControl {
 public:
  void wake(DestinationId) override { ++wakes; }
  void wake() override { ++wakes; }
  DestinationStatus status(DestinationId) const override { return {"direct", 1, 2}; }
  void reset_breaker(DestinationId destination) override { breakers_reset.push_back(destination); }

  int wakes = 0;
  std::vector<DestinationId> breakers_reset;
};

/// The API on a real store in a temporary directory, without sockets. Two workspaces, each with a key.
class ApiFixture : public testing::Test {
 protected:
  ApiFixture();
  ~ApiFixture() override;

  http::Response call(std::string method, std::string target, std::string body = "",
                      http::Headers headers = {});
  http::Response call_as(const std::string& key, std::string method, std::string target,
                         std::string body = "", http::Headers headers = {});
  /// Without any Authorization header.
  http::Response call_openly(std::string method, std::string target, std::string peer = "192.0.2.1:1000");
  boost::json::object ok(std::string method, std::string target, std::string body = "");

  std::string id_of(const boost::json::object& object) const {
    return std::string(object.at("id").as_string());
  }
  boost::json::object make_source(const std::string& name);
  boost::json::object make_destination(const std::string& name);
  /// An event of the source with one delivery to the destination, as ingest stores it.
  std::string store_event(const std::string& source_id, const std::string& destination_id,
                          std::string body = "{}");

  SystemClock clock;
  SystemRandom random;
  IdGenerator ids{clock, random};
  std::filesystem::path directory;
  std::unique_ptr<relay::Store> store;
  relay::CatalogHolder catalog;
  PublicAddresses addresses{"https://hooks.example", "relay.example", 9700, {std::string(32, 'p')}};
  relay::EgressPolicy egress;
  FakeAgents agents;
  FakeDeliveries deliveries;
  relay::SharedActivity activity{nullptr, clock};
  prometheus::Registry metrics;
  Health health;
  std::string key, other_key;
  WorkspaceId other_workspace;
  boost::asio::io_context loop{1};
  std::unique_ptr<CatalogReloader> reloader;
  std::unique_ptr<relay::ProgramPool> programs;
  relay::Shedding shedding{metrics};
  std::unique_ptr<ApiServices> services;
  std::unique_ptr<ApiKeys> keys;
  std::unique_ptr<AdminHandler> handler;

 private:
  void open_store();
  std::string add_key(WorkspaceId workspace);
  http::Response run(http::Request request);
};

boost::json::object parsed(const http::Response& response);
std::string code_of(const http::Response& response);

}  // namespace postern::control
