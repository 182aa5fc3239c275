#include "relay/store/catalog.hpp"

#include "relay/store/repositories.hpp"

namespace postern::relay {

std::shared_ptr<const Catalog> CatalogHolder::current() const {
  const std::lock_guard lock(mutex_);
  return current_;
}

void CatalogHolder::replace(std::shared_ptr<const Catalog> next) {
  // The listeners are copied, so that one that asks for current() meets no lock.
  const auto listeners = [&] {
    const std::lock_guard lock(mutex_);
    current_ = next;
    return listeners_;
  }();
  for (const auto& listener : listeners) listener(*next);
}

void CatalogHolder::on_change(std::function<void(const Catalog&)> listener) {
  const std::lock_guard lock(mutex_);
  listeners_.push_back(std::move(listener));
}

namespace {

void add_routes(Catalog& catalog, std::vector<Route> routes) {
  std::ranges::sort(routes, [](const Route& a, const Route& b) {
    return std::tie(a.created_at, a.id) < std::tie(b.created_at, b.id);
  });
  for (Route& route : routes) {
    if (!route.enabled || !catalog.destinations.contains(route.destination_id)) continue;
    const SourceId source = route.source_id;
    catalog.routes_by_source[source].push_back(std::make_shared<const Route>(std::move(route)));
  }
}

}  // namespace

std::shared_ptr<const Catalog> load_catalog(Transaction& tx, Keyring& keyring) {
  auto catalog = std::make_shared<Catalog>();
  const auto keys = WorkspaceRepository(tx).load_data_keys(keyring);
  if (!keys) throw std::runtime_error(keys.error().message);
  for (auto& workspace : WorkspaceRepository(tx).all()) catalog->workspaces.emplace(workspace.id, workspace);
  for (auto& source : SourceRepository(tx, keyring).all()) {
    auto shared = std::make_shared<const Source>(std::move(source));
    const auto& workspace = catalog->workspaces.at(shared->workspace_id);
    catalog->sources_by_path.emplace(workspace.name + "/" + shared->name, shared);
    catalog->sources.emplace(shared->id, shared);
  }
  for (auto& destination : DestinationRepository(tx, keyring).all()) {
    const DestinationId id = destination.id;
    catalog->destinations.emplace(id, std::make_shared<const Destination>(std::move(destination)));
  }
  for (auto& agent : AgentRepository(tx, keyring).all()) {
    const AgentId id = agent.id;
    catalog->agents.emplace(id, std::make_shared<const Agent>(std::move(agent)));
  }
  add_routes(*catalog, RouteRepository(tx).all());
  return catalog;
}

}  // namespace postern::relay
