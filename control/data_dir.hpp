#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"

namespace postern::control {

/// The small files (0600) that are kept beside the store in its directory. They are written whole or not at
/// all: to a temporary name, synced, renamed, and the directory synced. Error: `data_dir_unusable`.
class DataDir {
 public:
  explicit DataDir(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  /// nullopt when there is no such file.
  Result<std::optional<std::string>> read(std::string_view name) const;
  Result<void> write(std::string_view name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

inline constexpr std::string_view kAdminKeyFile = "admin.key";
inline constexpr std::string_view kAdminAddressFile = "admin.addr";
inline constexpr std::string_view kTunnelKeyFile = "tunnel.key";
inline constexpr std::string_view kTunnelCertificateFile = "tunnel.crt";

}  // namespace postern::control
