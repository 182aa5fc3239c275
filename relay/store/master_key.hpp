#pragma once
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "base/random.hpp"

namespace postern::relay {

/// 32 bytes that seal the data keys. Without the file nothing sealed in the database can ever be opened
/// again: it belongs into the backup, apart from the database. Makes the file (0600, synced) when there is
/// none, unless `must_exist`. Errors: `master_key_missing`, `master_key_unsafe` (not a plain file of this
/// user, others may read it, or not 32 bytes).
Result<std::string> master_key(const std::filesystem::path& file, bool must_exist, Random& random);

/// Makes a directory only its owner can use, or checks that it is one. Error `data_dir_unusable`.
Result<void> private_directory(const std::filesystem::path& directory);

}  // namespace postern::relay
