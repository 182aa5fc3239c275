#include "agent/service_unit.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::agent {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ServiceUnit unit() {
  return {"shop-agent", "/usr/local/bin/postern-agent", "/etc/postern-agent/shop-agent.env", {}};
}

TEST(ServiceUnit, IsCalledAfterItsStateDirectory) {
  const std::string text = unit_text(unit());
  EXPECT_THAT(text, StartsWith(std::string(kWrittenByUs)));
  EXPECT_THAT(text, HasSubstr("\nStateDirectory=shop-agent\n"));
  EXPECT_THAT(text, HasSubstr("\nEnvironment=POSTERN_AGENT_STATE_DIR=/var/lib/shop-agent\n"));
  EXPECT_THAT(text, HasSubstr("\nExecStart=\"/usr/local/bin/postern-agent\" run\n"));
  EXPECT_THAT(text, HasSubstr("\nEnvironmentFile=/etc/postern-agent/shop-agent.env\n"));
}

TEST(ServiceUnit, LeavesAStoppingAgentTheTimeOfItsDrain) {
  EXPECT_THAT(unit_text(unit()), HasSubstr("\nTimeoutStopSec=45s\n"));  // 30 s, and its end
}

TEST(ServiceUnit, IsASandbox) {
  const std::string text = unit_text(unit());
  for (const char* line : {"DynamicUser=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
                           "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "PrivateDevices=yes",
                           "MemoryDenyWriteExecute=yes", "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
                           "SystemCallFilter=@system-service", "LimitCORE=0"})
    EXPECT_THAT(text, HasSubstr(std::string("\n") + line + "\n"));
}

TEST(ServiceUnit, QuotesThePathOfTheProgram) {
  ServiceUnit odd = unit();
  odd.program = "/opt/a b/100%/$x/\"q\"/agent";
  EXPECT_THAT(unit_text(odd), HasSubstr(R"(ExecStart="/opt/a b/100%%/$$x/\"q\"/agent" run)"));
}

TEST(ServiceUnit, NamesTheGroupsThatWereAskedFor) {
  EXPECT_THAT(unit_text(unit()), Not(HasSubstr("SupplementaryGroups")));
  ServiceUnit member = unit();
  member.groups = {"www-data", "app"};
  EXPECT_THAT(unit_text(member), HasSubstr("\nSupplementaryGroups=www-data app\n"));
}

TEST(ServiceUnit, VariablesAreReadBackAsTheyWere) {
  const Variables variables = {{"POSTERN_AGENT_PROXY", R"(http://a:p%40$s"`\s@proxy:1)"},
                               {"NO_PROXY", "a, b"}};
  const std::string text = environment_text(variables);
  EXPECT_THAT(text, HasSubstr(R"(POSTERN_AGENT_PROXY="http://a:p%40\$s\"\`\\s@proxy:1")"));
  for (const auto& [name, value] : variables) EXPECT_EQ(environment_value(text, name), value);
  EXPECT_EQ(environment_value(text, "PROXY"), "");
  EXPECT_EQ(environment_value("\nA=\"cut", "A"), "cut");
}

}  // namespace
}  // namespace postern::agent
