#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "relay/model.hpp"

namespace postern::relay {

/// Everything an admin configured, as one immutable snapshot in memory: ingest and delivery never ask the
/// database what a source or a destination is.
struct Catalog {
  std::unordered_map<WorkspaceId, Workspace> workspaces;
  std::unordered_map<SourceId, std::shared_ptr<const Source>> sources;
  std::unordered_map<DestinationId, std::shared_ptr<const Destination>> destinations;
  std::unordered_map<AgentId, std::shared_ptr<const Agent>> agents;
  std::unordered_map<std::string, std::shared_ptr<const Source>> sources_by_path;  ///< "workspace/source"
  /// Enabled routes to existing destinations, in order of creation.
  std::unordered_map<SourceId, std::vector<std::shared_ptr<const Route>>> routes_by_source;
};

/// Holds the current snapshot. Safe from any thread; a snapshot taken stays whole for as long as it is held.
class CatalogHolder {
 public:
  std::shared_ptr<const Catalog> current() const;
  /// Swaps the snapshot and calls the listeners, in order, on this thread.
  void replace(std::shared_ptr<const Catalog> next);
  /// Call before serving starts.
  void on_change(std::function<void(const Catalog&)> listener);

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Catalog> current_ = std::make_shared<const Catalog>();
  std::vector<std::function<void(const Catalog&)>> listeners_;
};

class Transaction;
class Keyring;
/// Reads all of it in one transaction. The ring learns the keys of workspaces that another node has made.
std::shared_ptr<const Catalog> load_catalog(Transaction& tx, Keyring& keyring);

}  // namespace postern::relay
