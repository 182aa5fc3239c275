#include "agent/service_places.hpp"

#include <algorithm>
#include <cctype>

#include "agent/files.hpp"
#include "agent/service_unit.hpp"

namespace postern::agent {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostName = 64;

std::unexpected<Error> not_ours(const fs::path& file) {
  return fail("not_ours", fmt::format("{} is there, and not of this program's making: it is left alone. "
                                      "Remove it yourself, or give the agent a --state-dir of another name.",
                                      file.string()));
}

}  // namespace

bool is_plain_name(std::string_view name) {
  const auto plain = [](unsigned char c) { return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.'; };
  return !name.empty() && name.size() <= kMostName &&
         std::isalnum(static_cast<unsigned char>(name.front())) != 0 && std::ranges::all_of(name, plain);
}

Result<ServicePlaces> service_places(const fs::path& root, const StateDir& state_dir) {
  const fs::path& path = state_dir.path();
  const fs::path home = (root / "var/lib").lexically_normal();
  if (path.parent_path() == home && is_plain_name(path.filename().string()) && path.filename() != "private")
    return ServicePlaces{root, path.filename().string()};
  return fail(
      "invalid_state_dir",
      fmt::format("A service keeps its state in {0}/NAME, and is called NAME; {1} is not there. Join as "
                  "root, without --state-dir (or with {0}/NAME), then install.",
                  home.string(), path.string()));
}

Result<void> check_ours(const ServicePlaces& places) {
  for (const fs::path& file : {places.unit(), places.environment()}) {
    const auto there = read_file(file);
    if (!there) return std::unexpected(there.error());
    if (!*there || (*there)->starts_with(kWrittenByUs)) continue;
    return not_ours(file);
  }
  return {};
}

Result<void> check_unused(const ServicePlaces& places) {
  for (const char* home : {"run", "usr/local/lib", "usr/lib", "lib"}) {
    const fs::path unit = places.root / home / "systemd/system" / places.unit_name();
    std::error_code ec;
    if (fs::symlink_status(unit, ec).type() != fs::file_type::not_found) return not_ours(unit);
  }
  return {};
}

}  // namespace postern::agent
