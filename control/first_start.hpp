#pragma once
#include <string>
#include <vector>

#include "base/id.hpp"
#include "base/random.hpp"
#include "control/data_dir.hpp"
#include "control/settings.hpp"
#include "relay/store/open_store.hpp"
#include "relay/store/transfer/export.hpp"
#include "tunnel-proto/tls_identity.hpp"

/// What a first start leaves in the data directory beside the store. Each step can be cut off anywhere and is
/// made good by the next start.
namespace postern::control {

/// The key "admin" is the one in DIR/admin.key. When the file is gone, or what it holds is no live key, a new
/// one is made and the earlier is revoked: so a lost key does not lock anybody out, and deleting the file
/// before a start replaces a key that has leaked. The file comes first: a key in the store that nobody holds
/// would be of no use, a file whose key never got there is written anew.
Result<void> ensure_admin_key(relay::Store& store, const std::string& name, const DataDir& directory,
                              IdGenerator& ids, const Clock& clock, Random& random);
/// "admin"; on a cluster, where each node has a key of its own, with the node and its directory.
std::string admin_key_name(const Settings& settings);

/// The tunnel's key and certificate, kept for ever: every join token and every agent pins the key.
Result<tunnel::TlsIdentity> ensure_tunnel_identity(const DataDir& directory, const Clock& clock);

/// On one node, whose identity is in those files: a database that was imported brings one along in its
/// settings, and where there are no files they are written from it.
Result<tunnel::TlsIdentity> own_tunnel_identity(relay::Store& store, const DataDir& directory,
                                                const Clock& clock);

/// The same for the nodes of a cluster: the first one's is kept, sealed, in the store, and is everyone's.
Result<tunnel::TlsIdentity> shared_tunnel_identity(relay::Store& store, const DataDir& directory,
                                                   const Clock& clock);

/// What a single node keeps in files, as the settings that a cluster keeps: for `postern export`. Empty while
/// there is no identity yet.
Result<std::vector<relay::transfer::ExtraSetting>> tunnel_identity_settings(const DataDir& directory);

std::vector<relay::ApiKey> all_api_keys(relay::Store& store);

}  // namespace postern::control
