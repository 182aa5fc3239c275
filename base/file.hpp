#pragma once

#include <filesystem>
#include <string>

#include "base/error.hpp"

namespace postern {

/// The whole of a small file: settings, keys, secrets. Error `unreadable`: the message is the system's reason
/// without the file's name ("Is a directory"); anything over kFileMost is refused too, so that a device given
/// by mistake does not fill the memory.
Result<std::string> read_file(const std::filesystem::path& file);
inline constexpr std::size_t kFileMost = 16U << 20U;

}  // namespace postern
