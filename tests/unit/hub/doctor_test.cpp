#include "agent/doctor.hpp"

#include <gmock/gmock.h>

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
    auto checks =
        boost::asio::co_spawn(loop, agent::examine({*dir_, clock_, random_, {}}), boost::asio::use_future);
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
  EXPECT_EQ(verdicts(checks), "pppppp") << agent::render(checks);
  EXPECT_TRUE(agent::healthy(checks));
  EXPECT_EQ(dir_->identity()->generation, 1U);  // the login was real, and is remembered
}

TEST_F(Doctor, NamesARelayThatIsNotThere) {
  identity_.relay.port = closed_port();
  const auto checks = examine();
  EXPECT_EQ(verdicts(checks), "ppFssp");
  EXPECT_FALSE(agent::healthy(checks));
}

TEST_F(Doctor, NamesARelayThatIsAnother) {
  identity_.pins = {std::string(32, 'p')};
  const auto checks = examine();
  EXPECT_EQ(verdicts(checks), "pppFsp");
  EXPECT_THAT(checks[3].fix, testing::HasSubstr("join again"));
}

TEST_F(Doctor, NamesAnAgentThatWasRevoked) {
  authority_.revoke(identity_.agent_id);
  const auto checks = examine();
  EXPECT_EQ(verdicts(checks), "ppppFp");
  EXPECT_THAT(checks[4].fix, testing::HasSubstr("revoked"));
}

TEST_F(Doctor, NamesAnAppThatIsDown) {
  identity_.allow = *agent::AllowList::parse({fmt::format("127.0.0.1:{}", closed_port())});
  EXPECT_EQ(verdicts(examine()), "pppppF");
}

TEST_F(Doctor, DoesNotPushOutTheAgentThatRuns) {
  const auto lock = dir_->lock();
  ASSERT_TRUE(lock);
  agent::StatusBoard board(dir_->status_file(), clock_);
  board.enter(agent::Phase::connected);
  EXPECT_EQ(verdicts(examine()), "pppppp");
  board.enter(agent::Phase::waiting);
  EXPECT_EQ(verdicts(examine()), "ppppFp");
  EXPECT_TRUE(presence_.empty());  // no session was opened for it
}

TEST_F(Doctor, WithoutAnAgentSaysHowToGetOne) {
  boost::asio::io_context loop(1);
  const agent::StateDir empty(dir_->path() / "none");
  auto checks =
      boost::asio::co_spawn(loop, agent::examine({empty, clock_, random_, {}}), boost::asio::use_future);
  loop.run();
  EXPECT_EQ(verdicts(checks.get()), "F");
}

}  // namespace
}  // namespace postern::relay
