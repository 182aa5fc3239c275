#include "agent/program.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "tests/unit/agent/temp_dir.hpp"

namespace postern::agent {
namespace {

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() {
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_), 0);
    lock_ = ::open((dir_.path() / "lock").c_str(), O_RDWR | O_CREAT, 0600);
  }
  ~ProgramTest() override {
    for (const int fd : {ends_[0], ends_[1], lock_}) {
      if (fd >= 0) ::close(fd);
    }
  }
  Program script(const std::string& text) {
    const auto file = dir_.path() / "program";
    std::ofstream(file) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    return {file, {"program", "run"}};
  }
  /// What the child writes, until it ends.
  std::string said_by(const Program& program) {
    auto child = start_successor(program, ends_[1], lock_);
    EXPECT_TRUE(child) << (child ? "" : child.error().message);
    ::close(std::exchange(ends_[1], -1));
    std::string said;
    char piece[200];
    for (ssize_t size = 0; (size = ::read(ends_[0], piece, sizeof piece)) > 0;)
      said.append(piece, static_cast<std::size_t>(size));
    return said;
  }

  TempDir dir_;
  int ends_[2] = {-1, -1};
  int lock_ = -1;
};

TEST_F(ProgramTest, TheChildHasItsEndAndTheLockAndNothingElse) {
  const int stray = ::dup(lock_);  // not closed by execve()
  const std::string said =
      said_by(script("echo $POSTERN_AGENT_HANDOVER $1 >&3; echo lock >&4; cd /proc/self/fd; "
                     "for n in 5 6 7 8 9 11 12 13 14; do [ -e $n ] && readlink $n >&3; done; true"));
  ::close(stray);
  EXPECT_EQ(said, "3:4 run\n");
  std::string content;
  std::ifstream(dir_.path() / "lock") >> content;
  EXPECT_EQ(content, "lock");
}

TEST_F(ProgramTest, HowItEndedIsSaid) {
  auto child = start_successor(script("exit 7"), ends_[1], lock_);
  ASSERT_TRUE(child);
  ::close(std::exchange(ends_[1], -1));
  siginfo_t ended{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child->pid()), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(child->end(), "ended with status 7");
  EXPECT_EQ(child->end(), "");
}

TEST_F(ProgramTest, OneThatWasReleasedIsHeardOf) {
  auto child = start_successor(script("read line <&3; exit 3"), ends_[1], lock_);
  ASSERT_TRUE(child);
  child->release();
  EXPECT_FALSE(child->ended());
  EXPECT_EQ(::write(ends_[0], "\n", 1), 1);
  siginfo_t ended{};
  EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child->pid()), &ended, WEXITED | WNOWAIT), 0);
  EXPECT_EQ(child->ended(), "ended with status 3");
}

TEST_F(ProgramTest, OneThatGoesOnIsKilled) {
  auto child = start_successor(script("exec sleep 100"), ends_[1], lock_);
  ASSERT_TRUE(child);
  const pid_t pid = child->pid();
  EXPECT_EQ(child->end(), "");
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST_F(ProgramTest, OneThatIsNotThereIsAnError) {
  const auto child = start_successor({dir_.path() / "nothing", {"x"}}, ends_[1], lock_);
  ASSERT_FALSE(child);
  EXPECT_NE(child.error().message.find("No such file"), std::string::npos);
}

TEST_F(ProgramTest, JoinTokensAreNotGivenOn) {
  const char* argv[] = {"postern-agent", "join", "pj1_secret", "--allow", "localhost:1"};
  const Program program = this_program(5, argv);
  EXPECT_EQ(program.arguments, (std::vector<std::string>{"postern-agent", "join", "--allow", "localhost:1"}));
  EXPECT_TRUE(program.file.is_absolute());
}

TEST_F(ProgramTest, DescriptorsThatAreNotOpenAreNobodysInheritance) {
  for (const char* text : {"", "3", "x:y", "3:", "700:701", "-1:3"}) {
    ::setenv(kHandoverVariable, text, 1);
    EXPECT_FALSE(inherited_descriptors()) << text;
    EXPECT_EQ(std::getenv(kHandoverVariable), nullptr);
  }
  ::setenv(kHandoverVariable, (std::to_string(ends_[0]) + ":" + std::to_string(lock_)).c_str(), 1);
  const auto found = inherited_descriptors();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->lock, lock_);
  EXPECT_NE(::fcntl(lock_, F_GETFD) & FD_CLOEXEC, 0);
}

}  // namespace
}  // namespace postern::agent
