#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "base/id.hpp"
#include "base/random.hpp"

namespace postern::relay {

/// Seals secrets at rest: AES-256-GCM under a data key per workspace, itself sealed by the node's master key
/// (a file of 32 bytes, mode 0600, in the data directory). Rotating the master key re-wraps data keys only.
/// `place` ("source.secrets/src_…") is authenticated, so that a sealed value moved to another row does not
/// open. Safe from any thread.
class Keyring {
 public:
  Keyring(std::string master_key, Random& random);
  ~Keyring();

  /// A new data key, sealed for the store.
  std::string new_data_key(WorkspaceId workspace) const;
  /// Makes a workspace's sealed data key usable; one that is already is left as it is. Error
  /// `wrong_master_key`: the key file is not the one this database was made with.
  Result<void> load(WorkspaceId workspace, std::string_view sealed_data_key);

  /// A workspace whose key was not loaded is a fault (throws). Opening what was changed or moved: error
  /// `sealed_value_damaged`.
  std::string seal(WorkspaceId workspace, std::string_view secret, std::string_view place) const;
  Result<std::string> open(WorkspaceId workspace, std::string_view sealed, std::string_view place) const;

 private:
  /// Stays where it is for as long as the ring lives: a key is never changed or forgotten.
  const std::string& data_key(WorkspaceId workspace) const;

  std::string master_;
  Random& random_;
  mutable std::mutex mutex_;
  std::map<WorkspaceId, std::string> data_keys_;
};

}  // namespace postern::relay
