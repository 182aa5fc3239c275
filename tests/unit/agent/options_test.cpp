#include "agent/options.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

namespace postern::agent {
namespace {

std::expected<Options, int> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "postern-agent");
  return parse_command_line(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Options, JoinTakesTokenAndApps) {
  const auto options =
      parse({"join", "pj1_x", "--allow", "localhost:8000", "--allow", "[::1]:9", "--state-dir", "/s"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->command, Command::join);
  EXPECT_EQ(options->token, "pj1_x");
  EXPECT_THAT(options->allow, testing::ElementsAre("localhost:8000", "[::1]:9"));
  EXPECT_EQ(options->state_dir, "/s");
  EXPECT_FALSE(options->force);
}

TEST(Options, ATokenBehindTheAppsIsStillTheToken) {
  const auto options = parse({"join", "--allow", "a:1", "b:2", "pj1_x"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->token, "pj1_x");
  EXPECT_THAT(options->allow, testing::ElementsAre("a:1", "b:2"));
}

TEST(Options, AMisplacedTokenIsNotRepeated) {
  testing::internal::CaptureStderr();
  const auto options = parse({"run", "pj1_secret", "pj1_other"});
  const std::string said = testing::internal::GetCapturedStderr();
  ASSERT_FALSE(options);
  EXPECT_EQ(options.error(), 2);
  EXPECT_THAT(said, testing::HasSubstr("pj1_… pj1_…"));
  EXPECT_THAT(said, testing::Not(testing::HasSubstr("secret")));
}

TEST(Options, WhatIsGivenIsKnownAlsoWhereItIsTheDefault) {
  const auto options = parse({"service", "install", "--sessions", "2", "--exit-on-revoked=false",
                              "--log-format", "text", "--drop", "NO_PROXY", "--drop", "www-data"});
  ASSERT_TRUE(options);
  EXPECT_THAT(options->given, testing::IsSupersetOf({"sessions", "exit_on_revoked", "log_format"}));
  EXPECT_FALSE(options->exit_on_revoked);
  EXPECT_THAT(options->service.drop, testing::ElementsAre("NO_PROXY", "www-data"));
  EXPECT_THAT(parse({"service", "install"})->given, testing::IsEmpty());
}

TEST(Options, GlobalOnesMayStandOnEitherSide) {
  for (const auto& arguments :
       {std::vector<const char*>{"--log-level", "debug", "run"}, {"run", "--log-level", "debug"}}) {
    const auto options = parse(arguments);
    ASSERT_TRUE(options);
    EXPECT_EQ(options->command, Command::run);
    EXPECT_EQ(options->log_level, log::Level::debug);
  }
}

TEST(Options, TheEnvironmentFillsInAndFlagsWin) {
  ::setenv("POSTERN_AGENT_STATE_DIR", "/from-environment", 1);
  ::setenv("POSTERN_AGENT_ALLOW", "a:1,b:2", 1);
  ::setenv("POSTERN_AGENT_JOIN_TOKEN", "pj1_e", 1);
  const auto options = parse({"join"});
  const auto flagged = parse({"join", "pj1_f", "--state-dir", "/from-flag"});
  for (const char* name : {"POSTERN_AGENT_STATE_DIR", "POSTERN_AGENT_ALLOW", "POSTERN_AGENT_JOIN_TOKEN"})
    ::unsetenv(name);
  ASSERT_TRUE(options && flagged);
  EXPECT_EQ(options->state_dir, "/from-environment");
  EXPECT_THAT(options->allow, testing::ElementsAre("a:1", "b:2"));
  EXPECT_EQ(options->token, "pj1_e");
  EXPECT_EQ(flagged->state_dir, "/from-flag");
  EXPECT_EQ(flagged->token, "pj1_f");
}

TEST(Options, LimitsTakeSizes) {
  const auto options = parse({"run", "--body-limit", "1mb", "--memory-budget", "64mb", "--concurrency", "7"});
  ASSERT_TRUE(options);
  EXPECT_EQ(options->limits.body_bytes, 1024U * 1024);
  EXPECT_EQ(options->limits.budget_bytes, 64U * 1024 * 1024);
  EXPECT_EQ(options->limits.deliveries, 7U);
}

TEST(Options, MistakesAreUsageErrorsAndHelpIsNot) {
  EXPECT_EQ(parse({}).error(), 2);
  EXPECT_EQ(parse({"jion"}).error(), 2);
  EXPECT_EQ(parse({"run", "--nonsense"}).error(), 2);
  EXPECT_EQ(parse({"run", "--concurrency", "0"}).error(), 2);
  EXPECT_EQ(parse({"--log-format", "xml", "run"}).error(), 2);
  EXPECT_EQ(parse({"--help"}).error(), 0);
  EXPECT_EQ(parse({"--version"}).error(), 0);
}

TEST(Options, WhatWasGivenIsNotedForTheConfigurationFile) {
  ::setenv("POSTERN_AGENT_BODY_LIMIT", "1kb", 1);
  const auto options = parse({"run", "--config", "/c.toml", "--concurrency", "3", "--log-level", "warn"});
  ::unsetenv("POSTERN_AGENT_BODY_LIMIT");
  ASSERT_TRUE(options);
  EXPECT_EQ(options->config_file, "/c.toml");
  EXPECT_EQ(options->limits.deliveries, 3U);
  EXPECT_EQ(options->limits.body_bytes, 1024U);
  EXPECT_THAT(options->given, testing::UnorderedElementsAre("concurrency", "body_limit", "log_level"));
}

TEST(Options, TheInspectorIsAskedForAndStaysOnThisHost) {
  EXPECT_EQ(parse({"run"})->inspect, "");
  EXPECT_EQ(parse({"run", "--inspect"})->inspect, "127.0.0.1:4040");
  EXPECT_EQ(parse({"run", "--inspect", "[::1]:9"})->inspect, "[::1]:9");
  EXPECT_TRUE(parse({"run", "--inspect"})->given.contains("inspect"));
  testing::internal::CaptureStderr();
  const auto open = parse({"run", "--inspect", "0.0.0.0:4040"});
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("is not a loopback address"));
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error(), 2);
}

}  // namespace
}  // namespace postern::agent
