// Where a join token comes from, and what is said when it is none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "agent/commands.hpp"
#include "agent/join.hpp"
#include "temp_dir.hpp"

namespace postern::agent {
namespace {

class Token : public testing::Test {
 protected:
  Token() {
    IdGenerator ids(clock_, random_);
    token_ = {"relay.example",
              9700,
              ids.of<JoinId>(),
              random_.bytes(32),
              {random_.bytes(32)},
              std::chrono::floor<std::chrono::seconds>(clock_.now()) + std::chrono::minutes(15)};
    text_ = tunnel::encode_join_token(token_);
  }
  std::string code_of(const std::string& text) {
    Options options;
    options.token = text;
    const auto token = read_token(options, input_);
    return token ? "" : token.error().code;
  }

  SystemClock clock_;
  SystemRandom random_;
  tunnel::JoinToken token_;
  std::string text_;
  std::istringstream input_;
  TempDir temp_;
};

TEST_F(Token, ComesFromTheArgument) {
  Options options;
  options.token = text_;
  EXPECT_EQ(read_token(options, input_), token_);
}

TEST_F(Token, ComesFromAFile) {
  std::ofstream(temp_ / "token") << text_ << "\n";
  Options options;
  options.join_file = temp_ / "token";
  EXPECT_EQ(read_token(options, input_), token_);
}

TEST_F(Token, ComesFromStandardInput) {
  for (const bool as_file : {true, false}) {
    std::istringstream input(text_ + "\n");
    Options options;
    (as_file ? options.join_file : options.token) = "-";
    EXPECT_EQ(read_token(options, input), token_);
  }
}

TEST_F(Token, ThatIsNoneIsToldPrecisely) {
  EXPECT_EQ(code_of(""), "no_token");
  EXPECT_EQ(code_of("hello"), "not_a_join_token");
  EXPECT_EQ(code_of(text_.substr(0, text_.size() - 3)), "join_token_truncated");
  std::string mistyped = text_;
  mistyped[20] = mistyped[20] == 'A' ? 'B' : 'A';
  EXPECT_EQ(code_of(mistyped), "join_token_truncated");
  Options options;
  options.join_file = temp_ / "absent";
  EXPECT_EQ(read_token(options, input_).error().code, "io_failed");
  options.join_file = "-";
  EXPECT_EQ(read_token(options, input_).error().code, "no_token");
}

TEST_F(Token, IsNeverRepeatedInAMessage) {
  Options options;
  options.token = text_.substr(0, text_.size() - 3);
  EXPECT_THAT(read_token(options, input_).error().message,
              testing::Not(testing::HasSubstr(text_.substr(4, 10))));
}

TEST_F(Token, IsNotUsedWhereAnAgentHasJoined) {
  const StateDir dir(temp_ / "state");
  ASSERT_TRUE(dir.create());
  IdGenerator ids(clock_, random_);
  const Identity identity{
      ids.of<AgentId>(), random_.bytes(32), {"relay.example", 9700}, {random_.bytes(32)}, {}, 7};
  ASSERT_TRUE(dir.save(identity));
  Options options;
  options.command = Command::join;
  options.state_dir = dir.path();
  options.token = text_;
  testing::internal::CaptureStderr();
  EXPECT_EQ(run_command(options, input_), 1);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_THAT(said, testing::HasSubstr("already_joined"));
  EXPECT_THAT(said, testing::HasSubstr(identity.agent_id.to_string()));
  EXPECT_THAT(said, testing::HasSubstr("--force"));
  EXPECT_EQ(dir.identity()->secret, identity.secret);
}

TEST(HostFacts, AreASmallJsonObject) {
  EXPECT_LE(host_facts().size(), 2048U);
  EXPECT_THAT(host_facts(), testing::AllOf(testing::StartsWith("{"), testing::HasSubstr("\"hostname\"")));
}

}  // namespace
}  // namespace postern::agent
