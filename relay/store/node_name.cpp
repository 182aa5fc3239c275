#include "relay/store/node_name.hpp"

#include <sys/stat.h>

#include <fstream>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "base/file.hpp"

namespace postern::relay {
namespace {

std::string text_of(const std::filesystem::path& file) {
  const auto content = read_file(file);
  return content ? *content : std::string();
}

}  // namespace

Result<std::string> node_name(const std::filesystem::path& data_dir, Random& random) {
  const auto file = data_dir / "node.id";
  if (text_of(file).size() < 32) std::ofstream(file) << hex_encode(random.bytes(16)) << "\n";
  struct stat place{};
  if (::stat(file.c_str(), &place) != 0 || text_of(file).size() < 32) {
    return fail("data_dir_unusable", fmt::format("{}: cannot be made or read.", file.string()));
  }
  const std::string identity =
      fmt::format("{}|{}|{}|{}", text_of(file), text_of("/etc/machine-id"), place.st_dev, place.st_ino);
  return sha256(identity).substr(0, 16);
}

}  // namespace postern::relay
