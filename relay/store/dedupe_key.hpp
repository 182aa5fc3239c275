#pragma once
#include <string>

#include "base/crypto.hpp"
#include "base/id.hpp"

namespace postern::relay {

/// What a dedupe key is unique in: its workspace and source. Ids have one size, so no two keys run into each
/// other.
inline std::string dedupe_text(std::string_view workspace_id, std::string_view source_id,
                               std::string_view key) {
  std::string text;
  text.reserve(workspace_id.size() + source_id.size() + key.size());
  return text.append(workspace_id).append(source_id).append(key);
}

/// As PostgreSQL keeps it: 16 bytes, the size of a uuid.
inline std::string dedupe_digest(std::string_view workspace_id, std::string_view source_id,
                                 std::string_view key) {
  return sha256(dedupe_text(workspace_id, source_id, key)).substr(0, 16);
}

}  // namespace postern::relay
