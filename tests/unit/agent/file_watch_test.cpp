#include "agent/file_watch.hpp"

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <fstream>

#include "temp_dir.hpp"

namespace postern::agent {
namespace {

class Watch : public testing::Test {
 protected:
  Watch() {
    std::ofstream(file_) << "a";
    const std::filesystem::path files[] = {file_, "/nowhere/at/all/agent.toml"};
    watch_ = FileWatch::start(loop_.get_executor(), files, [this] { ++told_; });
  }
  bool told() {
    const int before = told_;
    while (told_ == before && loop_.run_one_for(std::chrono::seconds(10)) > 0) {
    }
    return told_ > before;
  }

  TempDir dir_;
  const std::filesystem::path file_ = dir_ / "agent.toml";
  boost::asio::io_context loop_;
  int told_ = 0;
  std::shared_ptr<FileWatch> watch_;
};

TEST_F(Watch, NoticesAWrite) {
  std::ofstream(file_) << "b";
  EXPECT_TRUE(told());
}

TEST_F(Watch, NoticesARenameOverItAndStillWatchesAfterwards) {
  for (int i = 0; i < 2; ++i) {
    std::ofstream(dir_ / "agent.toml.new") << "b";
    std::filesystem::rename(dir_ / "agent.toml.new", file_);
    EXPECT_TRUE(told());
  }
}

TEST_F(Watch, NoticesThatItGoesAndComes) {
  std::filesystem::remove(file_);
  EXPECT_TRUE(told());
  std::ofstream(file_) << "c";
  EXPECT_TRUE(told());
}

TEST_F(Watch, NoticesADirectoryThatIsSwappedByALink) {
  std::filesystem::create_symlink("nowhere", dir_ / "..tmp");
  std::filesystem::rename(dir_ / "..tmp", dir_ / "..data");
  EXPECT_TRUE(told());
}

TEST_F(Watch, TellsOfManyWritesAtOnceAndOfNoOtherFile) {
  for (int i = 0; i < 20; ++i) std::ofstream(file_) << i;
  EXPECT_TRUE(told());
  EXPECT_EQ(told_, 1);
  std::ofstream(dir_ / "status.json") << "x";
  std::ofstream(file_) << "last";
  EXPECT_TRUE(told());
  EXPECT_EQ(told_, 2);
}

TEST(WatchOfNothing, IsNone) {
  boost::asio::io_context loop;
  const std::filesystem::path files[] = {"/nowhere/at/all/agent.toml"};
  EXPECT_EQ(FileWatch::start(loop.get_executor(), files, [] {}), nullptr);
}

}  // namespace
}  // namespace postern::agent
