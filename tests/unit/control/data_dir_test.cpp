#include "control/data_dir.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

namespace postern::control {
namespace {

TEST(DataDir, WritesWholeFilesForItsOwnerOnly) {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-dir-XXXXXX").string();
  const std::filesystem::path path = ::mkdtemp(pattern.data());
  const DataDir directory(path);
  EXPECT_EQ(directory.read("a").value(), std::nullopt);
  ASSERT_TRUE(directory.write("a", "one"));
  ASSERT_TRUE(directory.write("a", "two"));
  EXPECT_EQ(directory.read("a").value(), "two");
  struct stat info{};
  ASSERT_EQ(::stat((path / "a").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_FALSE(std::filesystem::exists(path / "a.new"));
  std::filesystem::remove_all(path);
  const auto gone = directory.write("a", "three");
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, "data_dir_unusable");
}

}  // namespace
}  // namespace postern::control
