#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace postern::relay {

/// /in/{workspace}/{source} and /in/{workspace}/{source}/{topic…}, still percent-encoded.
struct IngestPath {
  std::string_view source_path;  ///< "workspace/source", as the catalog's sources_by_path has it
  std::string_view topic;        ///< empty without one; may contain '/'
};

/// nullopt for any other path. Workspace and source are compared as they are written: there is one spelling.
std::optional<IngestPath> parse_ingest_path(std::string_view path);

/// Percent-decoded, without slashes at its end; empty when it is badly escaped.
std::string decode_topic(std::string_view topic);

}  // namespace postern::relay
