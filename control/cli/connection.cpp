#include "control/cli/connection.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <fstream>

namespace postern::control {
namespace {

namespace fs = std::filesystem;
using Environment = std::function<const char*(const char*)>;

std::string first_of(std::initializer_list<const char*> candidates) {
  for (const char* candidate : candidates) {
    if (candidate && *candidate) return candidate;
  }
  return "";
}

Result<std::string> read_line(const fs::path& file, std::string_view missing) {
  std::ifstream in(file);
  std::string line;
  if (in && std::getline(in, line) && !line.empty()) return line;
  std::error_code ec;
  if (fs::exists(file, ec)) {
    return fail("unreadable",
                fmt::format("{} cannot be read: run this as the user the relay runs as, or give "
                            "--key and --url.",
                            file.string()));
  }
  return fail("no_connection", fmt::format("{} is not there. {}", file.string(), missing));
}

}  // namespace

Result<Connection> find_connection(const ConnectionFlags& flags, const Environment& environment) {
  const std::string directory =
      first_of({flags.data_dir.c_str(), environment("POSTERN_DATA_DIR"), "postern-data"});
  Connection found;
  found.url = first_of({flags.url.c_str(), environment("POSTERN_URL"), environment("POSTERN_ADMIN_URL")});
  found.key = first_of({flags.key.c_str(), environment("POSTERN_KEY")});
  // A data directory that was named outright counts for more than what happens to be in the environment.
  if (!flags.data_dir.empty() && flags.url.empty()) found.url.clear();
  if (!flags.data_dir.empty() && flags.key.empty()) found.key.clear();
  if (found.url.empty()) {
    auto url = read_line(
        fs::path(directory) / "admin.addr",
        "Start the relay there (postern serve --data-dir …), name its directory with --data-dir, or "
        "say where it is with --url.");
    if (!url) return std::unexpected(url.error());
    found.url = std::move(*url);
  }
  if (found.key.empty()) {
    auto key = read_line(fs::path(directory) / "admin.key", "Give the API key with --key or in POSTERN_KEY.");
    if (!key) return std::unexpected(key.error());
    found.key = std::move(*key);
  }
  while (found.url.ends_with('/')) found.url.pop_back();
  return found;
}

}  // namespace postern::control
