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
  EXPECT_THAT(unit_text(odd), HasSubstr(R"(ExecStart="/opt/a b/100%%/$x/\"q\"/agent" run)"));
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
  EXPECT_EQ(parse_environment(text).value(), variables);
}

TEST(ServiceUnit, VariablesThatAPersonHasChangedAreUnderstood) {
  const auto read =
      parse_environment("# A=0\n; A=0\n\n A = 'x \"\\y' \nB=b\\c d\r\nB=\"last\"\nEMPTY=\nN=\"\\n\"");
  const Variables expected = {{"A", "x \"\\y"}, {"B", "last"}, {"EMPTY", ""}, {"N", "\\n"}};
  EXPECT_EQ(read.value(), expected);
  EXPECT_EQ(parse_environment("")->size(), 0U);
}

TEST(ServiceUnit, AVariableThatIsNoneIsNamedByItsLine) {
  for (const char* text : {"A=1\nnothing\n", "A=1\nB=\"open", "A=1\nB='x' y\n", "A=1\n=x", "A=1\nB=\"\\\""}) {
    const auto read = parse_environment(text);
    ASSERT_FALSE(read) << text;
    EXPECT_EQ(read.error().code, "invalid_environment");
    EXPECT_THAT(read.error().message, StartsWith("line 2 "));
  }
}

TEST(ServiceUnit, GroupsAreReadBackAsTheyWere) {
  ServiceUnit member = unit();
  EXPECT_THAT(unit_groups(unit_text(member)), testing::ElementsAre());
  member.groups = {"www-data", "app"};
  EXPECT_EQ(unit_groups(unit_text(member)), member.groups);
}

}  // namespace
}  // namespace postern::agent
