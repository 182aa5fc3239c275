#include "base/file.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

namespace postern {
namespace {

TEST(ReadFile, GivesEveryByteOrTheSystemsReason) {
  std::string pattern = (std::filesystem::temp_directory_path() / "postern-file-XXXXXX").string();
  const std::filesystem::path directory = ::mkdtemp(pattern.data());
  const std::string bytes("a\0b\r\n\xff", 6);
  std::ofstream(directory / "f", std::ios::binary) << bytes;
  EXPECT_EQ(read_file(directory / "f").value(), bytes);
  EXPECT_EQ(read_file(directory).error().message, "Is a directory");
  EXPECT_EQ(read_file(directory / "none").error().message, "No such file or directory");
  EXPECT_EQ(read_file("/dev/zero").error().message, "File too large");
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace postern
