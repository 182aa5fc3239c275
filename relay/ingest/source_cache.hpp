#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "relay/limits/gcra.hpp"
#include "relay/providers/compiled_source.hpp"
#include "relay/providers/order_rule.hpp"
#include "relay/routing/ruling.hpp"
#include "relay/store/catalog.hpp"

namespace postern::relay {

/// A limit, and the name of its state: the same on every node.
struct NamedLimit {
  std::string key;
  RateLimit rate;
};
/// For sources and workspaces that have none of their own.
struct DefaultLimits {
  RateLimit source, workspace;
};

/// The programs of a source's routes.
struct RoutePlan {
  std::vector<RoutePrograms> programs;
  std::vector<std::size_t> places;  ///< of each in ReadySource::destinations
};

/// A source as a loop uses it.
struct ReadySource {
  std::shared_ptr<const Source> source;
  std::unique_ptr<CompiledSource> compiled;  ///< null when the stored source cannot be used; logged
  std::vector<DestinationId> destinations;   ///< of its enabled routes, in their order, each once
  std::vector<OrderRule> orders;             ///< of each of them
  NamedLimit source_limit, workspace_limit;
  std::shared_ptr<const RoutePlan> plan;  ///< null when no route of it has a program
};

/// The sources of the current catalog, made ready when first asked for. One per loop, used on that loop
/// alone; the catalog's lock is only taken after it has changed.
class SourceCache {
 public:
  /// `version` grows whenever `catalog` is replaced. Both outlive the cache.
  SourceCache(const CatalogHolder& catalog, const std::atomic<std::uint64_t>& version, DefaultLimits limits)
      : holder_(catalog), version_(version), limits_(limits) {}

  /// "workspace/source"; null when there is none or it is disabled. The answer stands until the next call:
  /// never keep it over a co_await.
  ReadySource* find(std::string_view source_path);

 private:
  void refresh();

  const CatalogHolder& holder_;
  const std::atomic<std::uint64_t>& version_;
  const DefaultLimits limits_;
  std::uint64_t seen_ = 0;
  std::shared_ptr<const Catalog> catalog_;
  std::unordered_map<const Source*, ReadySource> ready_;
  std::string key_;  ///< kept to keep its memory
};

}  // namespace postern::relay
