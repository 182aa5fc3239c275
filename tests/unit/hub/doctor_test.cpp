#include "agent/doctor.hpp"

#include <gmock/gmock.h>

#include <fstream>

#include "apps.hpp"
#include "hub_world.hpp"

namespace postern::relay {
namespace {

using agent::Check;
using Verdict = agent::Check::Verdict;

class Doctor : public HubTest {
 protected:
  Doctor() {
    start_hub();
    std::string path = (std::filesystem::temp_directory_path() / "postern-XXXXXX").string();
    dir_ = std::make_unique<agent::StateDir>(::mkdtemp(path.data()));
    identity_ = new_identity({fmt::format("127.0.0.1:{}", app_.port())});
  }
  ~Doctor() override { std::filesystem::remove_all(dir_->path()); }

  std::vector<Check> examine() {
    EXPECT_TRUE(dir_->save(identity_));
    boost::asio::io_context loop(1);
    auto checks = boost::asio::co_spawn(loop, agent::examine({*dir_, clock_, random_, {}}, {}),
                                        boost::asio::use_future);
    loop.run();
    return checks.get();
  }
  static std::string verdicts(const std::vector<Check>& checks) {
    std::string out;
    for (const Check& check : checks) {
      out += check.verdict == Verdict::pass ? 'p' : check.verdict == Verdict::fail ? 'F' : 's';
      EXPECT_EQ(check.fix.empty(), check.verdict != Verdict::fail) << check.name;
    }
    return out;
  }

  DeafApp app_;
  std::unique_ptr<agent::StateDir> dir_;
  agent::Identity identity_;
};

TEST_F(Doctor, PassesEveryStepWhereAllIsWell) {
  const auto checks = examine();
  EXPECT_EQ(verdicts(checks), "ppppppppp") << agent::render(checks);
  EXPECT_TRUE(agent::healthy(checks));
  EXPECT_THAT(agent::to_json(checks),
              testing::StartsWith("{\"healthy\":true,\"checks\":[{\"name\":\"state\""));
  EXPECT_EQ(dir_->identity()->generation, 1U);  // the login was real, and is remembered
}

TEST_F(Doctor, NamesARelayThatIsNotThere) {
  identity_.relay.port = closed_port();
  const auto checks = examine();
  EXPECT_EQ(verdicts(checks), "pppFssssp");
  EXPECT_FALSE(agent::healthy(checks));
}

TEST_F(Doctor, NamesARelayThatIsAnother) {
  identity_.pins = {std::string(32, 'p')};
  const auto checks = examine();
  EXPECT_EQ(verdicts(checks), "ppppFsssp");
  EXPECT_THAT(checks[4].fix, testing::HasSubstr("join again"));
}

TEST_F(Doctor, NamesAnAgentThatWasRevoked) {
  authority_.revoke(identity_.agent_id);
  const auto checks = examine();
  EXPECT_EQ(verdicts(checks), "pppppsFsp");
  EXPECT_THAT(checks[6].fix, testing::HasSubstr("revoked"));
}

TEST_F(Doctor, NamesAnAppThatIsDown) {
  identity_.allow = *agent::AllowList::parse({fmt::format("127.0.0.1:{}", closed_port())});
  EXPECT_EQ(verdicts(examine()), "ppppppppF");
}

TEST_F(Doctor, DoesNotPushOutTheAgentThatRuns) {
  const auto lock = dir_->lock();
  ASSERT_TRUE(lock);
  agent::StatusBoard board(dir_->status_file(), clock_);
  auto& sessions = board.status().session_list;
  sessions = {{.state = "connected", .since = clock_.now(), .probed_at = clock_.now()}, {.state = "waiting"}};
  board.enter(agent::Phase::connected);
  EXPECT_EQ(verdicts(examine()), "ppppppppp");
  sessions.front().probed_at.reset();
  board.tick();
  EXPECT_EQ(verdicts(examine()), "pppppppFp");
  board.enter(agent::Phase::waiting);
  EXPECT_EQ(verdicts(examine()), "pppppsFsp");
  EXPECT_TRUE(presence_.empty());  // no session was opened for it
}

TEST_F(Doctor, IsNeverGivenADelivery) {
  examine();
  const auto answer = deliver(identity_.agent_id, request_to(app_.port()));
  EXPECT_EQ(answer.error_code, "agent_away");
  EXPECT_TRUE(presence_.empty());
}

TEST_F(Doctor, NamesAMistakeInTheConfigurationAndGoesByItsApps) {
  std::ofstream(dir_->path() / "agent.toml") << "\nalow = []\n";
  auto checks = examine();
  EXPECT_EQ(verdicts(checks), "pFpppppps");
  EXPECT_THAT(checks[1].detail, testing::HasSubstr("agent.toml:2"));
  std::ofstream(dir_->path() / "agent.toml") << fmt::format("allow = [\"127.0.0.1:{}\"]\n", closed_port());
  checks = examine();
  EXPECT_EQ(verdicts(checks), "ppppppppF");
}

TEST_F(Doctor, WithoutAnAgentSaysHowToGetOne) {
  boost::asio::io_context loop(1);
  const agent::StateDir empty(dir_->path() / "none");
  auto checks =
      boost::asio::co_spawn(loop, agent::examine({empty, clock_, random_, {}}, {}), boost::asio::use_future);
  loop.run();
  EXPECT_EQ(verdicts(checks.get()), "F");
}

}  // namespace
}  // namespace postern::relay
