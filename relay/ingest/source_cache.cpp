#include "relay/ingest/source_cache.hpp"

#include "base/log.hpp"

namespace postern::relay {
namespace {

void add_routes(const Catalog& catalog, SourceId source, ReadySource& ready) {
  const auto routes = catalog.routes_by_source.find(source);
  if (routes == catalog.routes_by_source.end()) return;
  auto plan = std::make_shared<RoutePlan>();
  for (const auto& route : routes->second) {
    const bool known =
        std::ranges::find(ready.destinations, route->destination_id) != ready.destinations.end();
    if (!route->enabled || known) continue;
    if (!route->filter.empty() || !route->transform.empty()) {
      plan->programs.push_back({route->filter, route->transform});
      plan->places.push_back(ready.destinations.size());
    }
    ready.destinations.push_back(route->destination_id);
    const auto destination = catalog.destinations.find(route->destination_id);
    ready.orders.push_back(destination == catalog.destinations.end() ? OrderRule()
                                                                     : OrderRule::of(*destination->second));
  }
  if (!plan->programs.empty()) ready.plan = std::move(plan);
}

RateLimit own_or(std::uint32_t per_second, std::uint32_t burst, const RateLimit& otherwise) {
  return per_second == 0 ? otherwise : RateLimit{per_second, burst};
}

NamedLimit source_limit(const Source& source, const DefaultLimits& limits) {
  return {"source:" + source.id.to_string(),
          own_or(source.rate_per_second, source.rate_burst, limits.source)};
}

NamedLimit workspace_limit(const Catalog& catalog, WorkspaceId id, const DefaultLimits& limits) {
  NamedLimit limit{"workspace:" + id.to_string(), limits.workspace};
  const auto found = catalog.workspaces.find(id);
  if (found == catalog.workspaces.end()) return limit;
  limit.rate = own_or(found->second.rate_per_second, found->second.rate_burst, limits.workspace);
  return limit;
}

ReadySource make_ready(const Catalog& catalog, std::shared_ptr<const Source> source,
                       const DefaultLimits& limits) {
  ReadySource ready;
  ready.source_limit = source_limit(*source, limits);
  ready.workspace_limit = workspace_limit(catalog, source->workspace_id, limits);
  add_routes(catalog, source->id, ready);
  auto compiled = CompiledSource::make(*source);
  if (compiled)
    ready.compiled = std::move(*compiled);
  else
    log::error("ingest.source_unusable", {{"source", source->id}, {"reason", compiled.error().message}});
  ready.source = std::move(source);
  return ready;
}

}  // namespace

/// The version is read before the catalog: a change in between is noticed by the next call.
void SourceCache::refresh() {
  const std::uint64_t version = version_.load(std::memory_order_acquire);
  if (catalog_ && version == seen_) return;
  seen_ = version;
  ready_.clear();
  catalog_ = holder_.current();
}

ReadySource* SourceCache::find(std::string_view source_path) {
  refresh();
  key_.assign(source_path);
  const auto found = catalog_->sources_by_path.find(key_);
  if (found == catalog_->sources_by_path.end() || !found->second->enabled) return nullptr;
  const auto ready = ready_.find(found->second.get());
  if (ready != ready_.end()) return &ready->second;
  return &ready_.emplace(found->second.get(), make_ready(*catalog_, found->second, limits_)).first->second;
}

}  // namespace postern::relay
