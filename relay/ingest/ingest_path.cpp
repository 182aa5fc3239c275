#include "relay/ingest/ingest_path.hpp"

#include "base/http/message.hpp"

namespace postern::relay {

std::optional<IngestPath> parse_ingest_path(std::string_view path) {
  constexpr std::string_view kRoot = "/in/";
  if (!path.starts_with(kRoot)) return std::nullopt;
  path.remove_prefix(kRoot.size());
  const auto first = path.find('/');
  if (first == std::string_view::npos || first == 0) return std::nullopt;
  const auto second = std::min(path.size(), path.find('/', first + 1));
  if (second == first + 1) return std::nullopt;
  IngestPath out{.source_path = path.substr(0, second), .topic = path.substr(second)};
  if (!out.topic.empty()) out.topic.remove_prefix(1);
  return out;
}

std::string decode_topic(std::string_view topic) {
  if (topic.empty()) return {};
  std::string text = http::percent_decode(topic).value_or("");
  while (text.ends_with('/')) text.pop_back();
  return text;
}

}  // namespace postern::relay
