#pragma once
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "base/random.hpp"

namespace postern::relay {

/// 16 bytes that tell this data directory from every other node's, and stay the same when the relay starts
/// again on it. They depend on the file `node.id` in it and on the place where it lies, so that a copy of the
/// directory, or of a whole disk, is another node. Makes the file when there is none. Error
/// `data_dir_unusable`.
Result<std::string> node_name(const std::filesystem::path& data_dir, Random& random);

}  // namespace postern::relay
