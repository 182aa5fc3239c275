#include "agent/service_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/proxy.hpp"
#include "temp_dir.hpp"

namespace postern::agent {
namespace {

/// The rules by which somebody who asks about a service reaches the relay.
ProxyRules rules_of(const Variables& variables, const Options& asked = {}) {
  return proxy_rules(with_variables(asked, variables).proxy, lookup_in(variables)).value();
}

const HostPort kRelay{"relay.example", 8443};

TEST(ServiceSettings, ExceptionsFromTheProxyAreTheServices) {
  const Variables variables = {{"https_proxy", "http://proxy:1"}, {"no_proxy", "relay.example"}};
  EXPECT_EQ(rules_of(variables).on_the_way_to(kRelay), nullptr);
  EXPECT_NE(rules_of(variables).on_the_way_to({"other.example", 1}), nullptr);
}

TEST(ServiceSettings, AProxyOfTheEnvironmentIsNotOneThatWasChosen) {
  EXPECT_EQ(rules_of({{"HTTPS_PROXY", "http://proxy:1"}}).on_the_way_to({"127.0.0.1", 8443}), nullptr);
  EXPECT_NE(rules_of({{"POSTERN_AGENT_PROXY", "http://proxy:1"}}).on_the_way_to({"127.0.0.1", 8443}),
            nullptr);
}

TEST(ServiceSettings, WhatIsAskedForWins) {
  Options asked;
  asked.proxy = "http://mine:2";
  asked.config_file = "/mine.toml";
  const Variables variables = {{"POSTERN_AGENT_PROXY", "http://proxy:1"},
                               {"POSTERN_AGENT_CONFIG", "/its.toml"}};
  EXPECT_EQ(rules_of(variables, asked).proxy->at.host, "mine");
  EXPECT_EQ(with_variables(asked, variables).config_file, "/mine.toml");
  EXPECT_EQ(with_variables({}, variables).config_file, "/its.toml");
}

TEST(ServiceSettings, AFileOfSomebodyElseIsNoService) {
  const TempDir dir;
  const ServicePlaces places{dir.path(), "agent"};
  EXPECT_EQ(installed_variables(places).value(), std::nullopt);
  std::filesystem::create_directories(places.environment().parent_path());
  ASSERT_TRUE(replace_file(places.environment(), "HTTPS_PROXY=http://x\n", Durable::no));
  EXPECT_EQ(installed_variables(places).value(), std::nullopt);
  const Variables variables = {{"A", "1"}};
  ASSERT_TRUE(replace_file(places.environment(), environment_text(variables), Durable::no));
  EXPECT_EQ(installed_variables(places).value(), variables);
}

}  // namespace
}  // namespace postern::agent
