#include "agent/service_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "temp_dir.hpp"

namespace postern::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::UnorderedElementsAre;

/// One that everybody may start.
const std::filesystem::path kProgram = "/usr/bin/env";

/// A host of its own, with an agent that has joined in /var/lib/postern-agent.
class ServicePlanTest : public testing::Test {
 protected:
  ServicePlanTest() {
    options_.service.root = dir_.path().string();
    options_.state_dir = dir_ / "var/lib/postern-agent";
    state_dir_ = std::make_unique<StateDir>(options_.state_dir);
    EXPECT_TRUE(state_dir_->create());
    Identity identity;
    identity.secret = std::string(32, 's');
    identity.relay = {"relay.example", 8443};
    identity.pins = {std::string(32, 'p')};
    identity.allow = AllowList::parse({"saved:1"}).value();
    EXPECT_TRUE(state_dir_->save(identity));
  }
  Result<ServicePlan> plan(const std::filesystem::path& program = kProgram) {
    return plan_service(options_, *state_dir_, program, [this](const char* name) -> const char* {
      const auto found = environment_.find(name);
      return found == environment_.end() ? nullptr : found->second.c_str();
    });
  }
  std::string refusal(const std::filesystem::path& program = kProgram) {
    const auto planned = plan(program);
    EXPECT_FALSE(planned);
    return planned ? "" : planned.error().code + ": " + planned.error().message;
  }
  void allow(std::vector<std::string> entries) {
    options_.allow = std::move(entries);
    options_.given.insert("allow");
  }
  void give_sessions(std::size_t sessions) {
    options_.sessions = sessions;
    options_.given.insert("sessions");
  }
  /// As install does; the next plan begins with nothing given.
  void install() {
    const auto planned = plan();
    ASSERT_TRUE(planned) << planned.error().message;
    write(planned->places.unit(), planned->unit);
    write(planned->places.environment(), planned->environment);
    const auto service = options_.service;
    const auto state_dir = options_.state_dir;
    options_ = {};
    options_.service.root = service.root;
    options_.state_dir = state_dir;
    environment_.clear();
  }
  void write(const std::filesystem::path& file, const std::string& text) {
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }

  TempDir dir_;
  Options options_;
  std::unique_ptr<StateDir> state_dir_;
  std::map<std::string, std::string> environment_;
};

TEST_F(ServicePlanTest, WithNothingGivenTheUnitIsAllThereIs) {
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_EQ(planned->places.unit(), dir_ / "etc/systemd/system/postern-agent.service");
  EXPECT_EQ(planned->places.environment(), dir_ / "etc/postern-agent/postern-agent.env");
  EXPECT_THAT(planned->variables, ElementsAre());
  EXPECT_FALSE(planned->config);
  EXPECT_THAT(planned->notes, ElementsAre());
}

TEST_F(ServicePlanTest, WhatTheFileCanHoldGoesThere) {
  allow({"localhost:8000", "POST unix:/run/app.sock"});
  options_.limits.deliveries = 8;
  options_.given.insert("concurrency");
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
  ASSERT_TRUE(planned->config);
  EXPECT_THAT(*planned->config, HasSubstr("allow = [\"localhost:8000\", \"POST unix:/run/app.sock\"]\n"));
  EXPECT_THAT(*planned->config, HasSubstr("concurrency = 8\n"));
  EXPECT_THAT(*planned->config, Not(HasSubstr("body_limit")));
  EXPECT_THAT(planned->variables, ElementsAre());
}

TEST_F(ServicePlanTest, AFileThatIsThereIsNeverWrittenOver) {
  write(options_.state_dir / "agent.toml", "# mine\nallow = [\"localhost:8000\"]\n");
  allow({"localhost:9000"});
  EXPECT_THAT(refusal(), HasSubstr("config_exists: "));
  EXPECT_THAT(refusal(), HasSubstr("allow = [\"localhost:9000\"]"));
  // The same once more is an update.
  allow({"localhost:8000"});
  const auto again = plan();
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_FALSE(again->config);
}

TEST_F(ServicePlanTest, AFileThatIsWrongIsSaidBeforeAnythingIsWritten) {
  write(options_.state_dir / "agent.toml", "alow = []\n");
  EXPECT_THAT(refusal(), HasSubstr("agent.toml:1"));
}

TEST_F(ServicePlanTest, SecretsAreInTheVariablesAndNowhereElse) {
  options_.proxy = "http://ann:geheim@proxy:3128";
  give_sessions(3);
  environment_ = {{"NO_PROXY", "10.0.0.0/8"}};
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_THAT(planned->variables, ElementsAre("POSTERN_AGENT_PROXY", "POSTERN_AGENT_SESSIONS", "NO_PROXY"));
  EXPECT_THAT(planned->environment, HasSubstr("geheim"));
  EXPECT_THAT(planned->unit, Not(HasSubstr("geheim")));
  EXPECT_FALSE(planned->config);
}

TEST_F(ServicePlanTest, AVariableStaysOnItsLine) {
  options_.proxy = "http://proxy:1\nLD_PRELOAD=/tmp/x";
  EXPECT_THAT(refusal(), HasSubstr("invalid_value: POSTERN_AGENT_PROXY"));
}

TEST_F(ServicePlanTest, WhatTheSandboxWouldNotSeeIsRefused) {
  EXPECT_THAT(refusal("/home/ann/postern-agent"), HasSubstr("/usr/local/bin"));
  EXPECT_THAT(refusal("/usr/../root/postern-agent"), HasSubstr("hidden"));
  const auto file = dir_ / "agent.toml";  // below /tmp
  write(file, "");
  options_.config_file = file.string();
  EXPECT_THAT(refusal(), HasSubstr("hidden: The configuration file"));
}

TEST_F(ServicePlanTest, ASocketThatTheSandboxWouldNotSeeIsNoted) {
  allow({"unix:/tmp/app.sock", "unix:/run/app.sock"});
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_THAT(planned->notes, ElementsAre(HasSubstr("unix:/tmp/app.sock")));
}

TEST_F(ServicePlanTest, AnotherUnitOfThatNameIsLeftAlone) {
  write(dir_ / "etc/systemd/system/postern-agent.service", "[Service]\nExecStart=/bin/true\n");
  EXPECT_THAT(refusal(), HasSubstr("not_ours"));
  write(dir_ / "etc/systemd/system/postern-agent.service", std::string(kWrittenByUs) + "\n[Service]\n");
  EXPECT_TRUE(plan());
}

TEST_F(ServicePlanTest, AUnitOfADistributionIsNotHidden) {
  write(dir_ / "usr/lib/systemd/system/postern-agent.service", "[Service]\nExecStart=/bin/true\n");
  EXPECT_THAT(refusal(), HasSubstr("not_ours: "));
  EXPECT_THAT(refusal(), HasSubstr("usr/lib/systemd/system/postern-agent.service"));
}

TEST_F(ServicePlanTest, AnUpdateKeepsWhatIsNotGivenAnew) {
  options_.proxy = "http://ann:geheim@proxy:3128";
  give_sessions(3);
  options_.exit_on_revoked = true;
  options_.given.insert("exit_on_revoked");
  options_.service.groups = {"www-data"};
  environment_ = {{"HTTPS_PROXY", "http://old:1"}, {"NO_PROXY", "a"}};
  install();
  environment_ = {{"https_proxy", "http://new:1"}};
  give_sessions(2);  // the default, and meant
  options_.service.groups = {"app"};
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_THAT(planned->variables,
              UnorderedElementsAre("POSTERN_AGENT_PROXY", "POSTERN_AGENT_SESSIONS",
                                   "POSTERN_AGENT_EXIT_ON_REVOKED", "https_proxy", "NO_PROXY"));
  EXPECT_THAT(planned->environment, HasSubstr("geheim"));
  EXPECT_THAT(planned->environment, HasSubstr("\nPOSTERN_AGENT_SESSIONS=\"2\"\n"));
  EXPECT_THAT(planned->unit, HasSubstr("\nSupplementaryGroups=www-data app\n"));
  EXPECT_THAT(planned->kept,
              ElementsAre("POSTERN_AGENT_PROXY", "POSTERN_AGENT_EXIT_ON_REVOKED", "NO_PROXY", "www-data"));
}

TEST_F(ServicePlanTest, WithNothingGivenAnUpdateChangesNothing) {
  options_.service.groups = {"www-data", "app"};
  environment_ = {{"HTTPS_PROXY", R"(http://a:p"\\`$@proxy:1)"}};
  const auto first = plan();
  install();
  const auto second = plan();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->unit, second->unit);
  EXPECT_EQ(first->environment, second->environment);
}

TEST_F(ServicePlanTest, WhatIsDroppedIsNotKeptWhereverItComesFrom) {
  options_.service.groups = {"www-data"};
  environment_ = {{"HTTPS_PROXY", "http://old:1"}, {"NO_PROXY", "a"}};
  install();
  environment_ = {{"HTTPS_PROXY", "http://new:1"}};
  options_.service.drop = {"HTTPS_PROXY", "www-data"};
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_THAT(planned->variables, ElementsAre("NO_PROXY"));
  EXPECT_THAT(planned->kept, ElementsAre("NO_PROXY"));
  EXPECT_THAT(planned->unit, Not(HasSubstr("SupplementaryGroups")));
  options_.service.drop = {"HTTP_PROXY"};
  EXPECT_THAT(refusal(), HasSubstr("not_there: "));
  EXPECT_THAT(refusal(), HasSubstr("HTTP_PROXY, so none can be dropped. It has: NO_PROXY"));
}

TEST_F(ServicePlanTest, AnUpdateGoesByTheFileThatWasNamedBefore) {
  const auto file = dir_ / "agent.toml";
  write(file, "");
  write(dir_ / "etc/postern-agent/postern-agent.env",
        std::string(kWrittenByUs) + "\nPOSTERN_AGENT_CONFIG=" + file.string() + "\n");
  EXPECT_THAT(refusal(), HasSubstr("hidden: The configuration file " + file.string()));
}

TEST_F(ServicePlanTest, VariablesThatSomebodyElseWroteAreLeftAlone) {
  write(dir_ / "etc/postern-agent/postern-agent.env", "A=1\n");
  EXPECT_THAT(refusal(), HasSubstr("not_ours"));
  write(dir_ / "etc/postern-agent/postern-agent.env", std::string(kWrittenByUs) + "\nA=\"geheim\n");
  EXPECT_THAT(refusal(), HasSubstr("postern-agent.env: line 2 "));
  EXPECT_THAT(refusal(), Not(HasSubstr("geheim")));
}

TEST_F(ServicePlanTest, TheInspectorIsASettingOfTheFile) {
  options_.inspect = "127.0.0.1:4040";
  options_.given.insert("inspect");
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
  ASSERT_TRUE(planned->config);
  EXPECT_THAT(*planned->config, HasSubstr("\ninspect = \"127.0.0.1:4040\"\n"));
  write(options_.state_dir / "agent.toml", "concurrency = 9\n");
  EXPECT_THAT(refusal(), HasSubstr("config_exists: "));
  write(options_.state_dir / "agent.toml", "inspect = \"localhost:4040\"\n");
  EXPECT_TRUE(plan());
}

TEST_F(ServicePlanTest, AStateDirectoryMayBeWrittenWithASlashAtItsEnd) {
  write(options_.state_dir / "agent.toml", "");
  options_.state_dir += "/";
  const auto planned = plan();
  ASSERT_TRUE(planned) << planned.error().message;
}

TEST_F(ServicePlanTest, TheProgramIsOneThatTheServiceCanStart) {
  EXPECT_THAT(refusal("/etc/passwd"), HasSubstr("unreadable: This program, /etc/passwd, "));
  EXPECT_THAT(refusal("/usr/bin/a\nb"), HasSubstr("invalid_program"));
}

TEST_F(ServicePlanTest, TheUnitNamesTheProgramAsItWasStarted) {
  const auto planned = plan("/bin/sh");  // a link to another shell
  ASSERT_TRUE(planned) << planned.error().message;
  EXPECT_THAT(planned->unit, HasSubstr("\nExecStart=\"/bin/sh\" run\n"));
}

TEST_F(ServicePlanTest, TheStateIsWhereSystemdKeepsIt) {
  for (const char* elsewhere : {"srv/agent", "var/lib/a/b", "var/lib/private", "var/lib/-x", "var/lib/a b"}) {
    const StateDir state_dir(dir_ / elsewhere);
    const auto places = service_places(dir_.path(), state_dir);
    ASSERT_FALSE(places) << elsewhere;
    EXPECT_EQ(places.error().code, "invalid_state_dir");
  }
  EXPECT_EQ(service_places(dir_.path(), StateDir(dir_ / "var/lib/shop.agent-2"))->unit_name(),
            "shop.agent-2.service");
}

TEST_F(ServicePlanTest, WithoutAnAgentThereIsNothingToRun) {
  std::filesystem::remove(options_.state_dir / "state.json");
  EXPECT_THAT(refusal(), HasSubstr("not_joined"));
}

TEST_F(ServicePlanTest, AGroupIsAName) {
  options_.service.groups = {"www-data\nUser=root"};
  EXPECT_THAT(refusal(), HasSubstr("invalid_group"));
}

}  // namespace
}  // namespace postern::agent
