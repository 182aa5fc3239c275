#include "agent/files.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "temp_dir.hpp"

namespace postern::agent {
namespace {

TEST(Files, WhatIsNoRegularFileIsNotWaitedFor) {
  const TempDir dir;
  const auto fifo = dir / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  for (const auto& path : {fifo, dir.path()}) {
    const auto read = read_file(path);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, "io_failed");
    EXPECT_THAT(read.error().message, testing::HasSubstr(path.string() + " is no regular file"));
  }
  EXPECT_EQ(FileLock::holder(fifo), std::nullopt);
}

TEST(Files, ALinkToARegularFileIsOne) {
  const TempDir dir;
  ASSERT_TRUE(replace_file(dir / "file", "text", Durable::no));
  std::filesystem::create_symlink(dir / "file", dir / "link");
  EXPECT_EQ(read_file(dir / "link").value(), "text");
}

TEST(Files, AHolderIsANumberOrUnknown) {
  const TempDir dir;
  const auto lock = FileLock::acquire(dir / "lock");
  ASSERT_TRUE(lock);
  EXPECT_EQ(FileLock::holder(dir / "lock"), std::to_string(::getpid()));
  for (const char* text : {"1; reboot\n", "\x1b[2J\n", "\n"}) {
    ASSERT_EQ(::ftruncate(lock->descriptor(), 0), 0);
    ASSERT_GT(::pwrite(lock->descriptor(), text, std::strlen(text), 0), 0);
    EXPECT_EQ(FileLock::holder(dir / "lock"), "unknown");
  }
}

}  // namespace
}  // namespace postern::agent
