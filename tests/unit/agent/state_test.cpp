#include "agent/state.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "temp_dir.hpp"

namespace postern::agent {
namespace {

namespace fs = std::filesystem;

unsigned mode_of(const fs::path& path) {
  struct stat info{};
  EXPECT_EQ(::stat(path.c_str(), &info), 0) << path;
  return info.st_mode & 07777;
}

std::string content_of(const fs::path& path) {
  auto content = read_file(path);
  return content && *content ? **content : "";
}

class State : public testing::Test {
 protected:
  State() : dir_(temp_ / "agent/state") {
    ::umask(0);  // the worst: nothing is taken away for us
    EXPECT_TRUE(dir_.create());
  }
  Identity some_identity() {
    IdGenerator ids(clock_, random_);
    Identity identity{
        ids.of<AgentId>(), random_.bytes(32), {"relay.example", 9700}, {random_.bytes(32)}, {}, 7};
    identity.allow = *AllowList::parse({"localhost:8000", "[::1]:9"});
    return identity;
  }

  TempDir temp_;
  StateDir dir_;
  SystemClock clock_;
  SystemRandom random_;
};

TEST_F(State, IdentityComesBackAsSaved) {
  const Identity saved = some_identity();
  ASSERT_TRUE(dir_.save(saved));
  const auto loaded = dir_.identity();
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->agent_id, saved.agent_id);
  EXPECT_EQ(loaded->secret, saved.secret);
  EXPECT_EQ(loaded->relay.to_string(), "relay.example:9700");
  EXPECT_EQ(loaded->pins, saved.pins);
  EXPECT_EQ(loaded->allow.entries(), saved.allow.entries());
  EXPECT_EQ(loaded->generation, 7U);
}

TEST_F(State, EverythingIsPrivateWhateverTheUmask) {
  ASSERT_TRUE(dir_.save(some_identity()));
  ASSERT_TRUE(dir_.save(Joining{{}, std::string(32, 's'), "{}"}));
  const auto lock = dir_.lock();
  ASSERT_TRUE(lock);
  EXPECT_EQ(mode_of(dir_.path()), 0700U);
  EXPECT_EQ(mode_of(dir_.path() / "state.json"), 0600U);
  EXPECT_EQ(mode_of(dir_.path() / "joining.json"), 0600U);
  EXPECT_EQ(mode_of(dir_.path() / "lock"), 0600U);
}

TEST_F(State, SavingAnIdentityEndsTheJoin) {
  ASSERT_TRUE(dir_.save(Joining{{}, std::string(32, 's'), "{}"}));
  ASSERT_TRUE(dir_.save(some_identity()));
  const auto joining = dir_.joining();
  ASSERT_TRUE(joining);
  EXPECT_FALSE(*joining);
}

TEST_F(State, JoiningComesBackAsSaved) {
  IdGenerator ids(clock_, random_);
  const Joining saved{ids.of<JoinId>(), random_.bytes(32), R"({"hostname":"x"})"};
  ASSERT_TRUE(dir_.save(saved));
  const auto loaded = dir_.joining();
  ASSERT_TRUE(loaded && *loaded);
  EXPECT_EQ((*loaded)->join_id, saved.join_id);
  EXPECT_EQ((*loaded)->secret, saved.secret);
  EXPECT_EQ((*loaded)->facts_json, saved.facts_json);
}

TEST_F(State, OnlyADamagedJoinIsForgotten) {
  ASSERT_TRUE(dir_.save(Joining{{}, std::string(32, 's'), "{}"}));
  dir_.forget_damaged_join();
  EXPECT_TRUE(dir_.joining() && *dir_.joining());
  ASSERT_TRUE(replace_file(dir_.path() / "joining.json", "{", Durable::no));
  ASSERT_FALSE(dir_.joining());
  dir_.forget_damaged_join();
  EXPECT_TRUE(dir_.joining() && !*dir_.joining());
}

TEST_F(State, WithoutAnAgentItSaysHowToJoin) {
  const auto identity = dir_.identity();
  ASSERT_FALSE(identity);
  EXPECT_EQ(identity.error().code, "not_joined");
  EXPECT_THAT(identity.error().message, testing::HasSubstr("postern-agent join"));
  EXPECT_FALSE(dir_.joined());
}

TEST_F(State, WithoutAPinNoRelayCouldBeKnown) {
  Identity identity = some_identity();
  identity.pins.clear();
  ASSERT_TRUE(dir_.save(identity));
  ASSERT_FALSE(dir_.identity());
  EXPECT_EQ(dir_.identity().error().code, "state_damaged");
}

TEST_F(State, DamageIsNamedAndNeverTakenForAbsence) {
  for (const std::string damage : {"", "{", "[]", "{\"format\":1}", "{\"format\":2}"}) {
    ASSERT_TRUE(replace_file(dir_.path() / "state.json", damage, Durable::no));
    const auto identity = dir_.identity();
    ASSERT_FALSE(identity) << damage;
    EXPECT_EQ(identity.error().code, "state_damaged") << damage;
    EXPECT_TRUE(dir_.joined());
  }
}

TEST_F(State, ASecondUserIsRefusedAndToldWhoTheFirstIs) {
  auto first = dir_.lock();
  ASSERT_TRUE(first);
  const auto second = dir_.lock();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, "already_running");
  EXPECT_THAT(second.error().message, testing::HasSubstr(std::to_string(::getpid())));
  EXPECT_EQ(dir_.running(), std::to_string(::getpid()));
}

TEST_F(State, TheLockGoesWithItsHolder) {
  {
    const auto first = dir_.lock();
  }
  EXPECT_EQ(dir_.running(), std::nullopt);
  EXPECT_TRUE(dir_.lock());
}

TEST_F(State, AskingWhoRunsDoesNotHoldTheLock) {
  {
    const auto once = dir_.lock();
  }
  for (int i = 0; i < 3; ++i) EXPECT_EQ(dir_.running(), std::nullopt);
}

TEST(ReplaceFile, AReaderWithTheOldFileOpenKeepsReadingTheOldContent) {
  const TempDir temp;
  ASSERT_TRUE(replace_file(temp / "f", "old content", Durable::yes));
  std::ifstream open_before(temp / "f");
  ASSERT_TRUE(replace_file(temp / "f", "new", Durable::yes));
  std::string seen;
  std::getline(open_before, seen);
  EXPECT_EQ(seen, "old content");
  EXPECT_EQ(content_of(temp / "f"), "new");
}

TEST(ReplaceFile, AFailureLeavesTheOldContentAndNoRubbish) {
  const TempDir temp;
  fs::create_directory(temp / "f");  // cannot be renamed over
  EXPECT_FALSE(replace_file(temp / "f", "new", Durable::yes));
  EXPECT_FALSE(fs::exists(temp / "f.new"));
}

TEST(ReplaceFile, DoesNotFollowALinkPlantedAtTheTemporaryName) {
  const TempDir temp;
  ASSERT_TRUE(replace_file(temp / "victim", "precious", Durable::no));
  fs::create_symlink(temp / "victim", temp / "f.new");
  EXPECT_TRUE(replace_file(temp / "f", "secret", Durable::no));
  EXPECT_EQ(content_of(temp / "victim"), "precious");
  EXPECT_EQ(content_of(temp / "f"), "secret");
  EXPECT_FALSE(fs::is_symlink(temp / "f"));
}

TEST(ReplaceFile, WhatRootWritesBelongsToTheDirectorysOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t kService = 61234;
  const TempDir temp;
  ASSERT_EQ(::chown(temp.path().c_str(), kService, kService), 0);
  ASSERT_TRUE(replace_file(temp / "f", "content", Durable::yes));
  ASSERT_TRUE(FileLock::acquire(temp / "lock"));
  for (const char* name : {"f", "lock"}) {
    struct stat file{};
    ASSERT_EQ(::stat((temp / name).c_str(), &file), 0);
    EXPECT_EQ(file.st_uid, kService) << name;
  }
  ASSERT_TRUE(FileLock::acquire(temp / "lock"));  // one that is there is taken as it is
}

TEST(ReplaceFile, NamesTheFileItCouldNotWrite) {
  const auto written = replace_file("/nonexistent/dir/f", "x", Durable::yes);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, "io_failed");
  EXPECT_THAT(written.error().message, testing::HasSubstr("/nonexistent/dir/f"));
}

/// A process that takes another one's place read the state before that one's last words.
TEST_F(State, WhatWasSavedMeanwhileIsCaughtUpWith) {
  const Identity read = some_identity();
  Identity saved = read;
  saved.generation = 9;
  saved.next_secret = std::string(32, 'n');
  Identity mine = read;
  mine.generation = 12;
  catch_up(mine, saved);
  EXPECT_EQ(mine.generation, 12U);
  EXPECT_EQ(mine.next_secret, saved.next_secret);
  EXPECT_FALSE(mine.next_known);
  saved.secret = std::exchange(saved.next_secret, {});
  saved.key_epoch = 1;
  catch_up(mine, saved);
  EXPECT_EQ(mine.secret, saved.secret);
  EXPECT_EQ(mine.key_epoch, 1U);
  EXPECT_TRUE(mine.next_secret.empty());
}

TEST_F(State, AnOlderSecretIsNeverCaughtUpWith) {
  const Identity read = some_identity();
  Identity mine = read;
  mine.secret = std::string(32, 'n');  // proven with the relay since
  mine.key_epoch = 1;
  Identity saved = read;
  saved.next_secret = mine.secret;
  saved.next_known = true;
  catch_up(mine, saved);
  EXPECT_EQ(mine.key_epoch, 1U);
  EXPECT_EQ(mine.secret, std::string(32, 'n'));
  EXPECT_TRUE(mine.next_secret.empty());
}

}  // namespace
}  // namespace postern::agent
