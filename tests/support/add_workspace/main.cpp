// Adds a workspace with an API key to a store that no relay has open, and prints the key. Tests of what
// crosses from one workspace to another need two; the product makes one.
//   test_add_workspace DATA_DIR NAME [POSTGRES_URL]
#include <iostream>

#include "control/api/api_key.hpp"
#include "relay/store/open_store.hpp"
#include "relay/store/repositories.hpp"

namespace postern {
namespace {

Result<void> add(relay::Transaction& tx, const relay::Workspace& workspace, const relay::ApiKey& key,
                 const relay::Keyring& keyring) {
  auto made = relay::WorkspaceRepository(tx).create(workspace, keyring);
  if (!made) return made;
  return relay::ApiKeyRepository(tx).create(key);
}

int run(const std::string& directory, const std::string& name, const std::string& url) {
  SystemClock clock;
  SystemRandom random;
  IdGenerator ids{clock, random};
  relay::StoreOptions options;
  options.data_dir = directory;
  options.postgres.url = url;
  auto store = relay::open_store(std::move(options), clock, random, ids);
  if (!store) return std::cerr << store.error().message << std::endl, 1;
  const relay::Workspace workspace{ids.of<WorkspaceId>(), name, clock.now()};
  const KeyId id = ids.of<KeyId>();
  const std::string text = control::make_api_key(id, random);
  const relay::ApiKey key{.id = id,
                          .workspace_id = workspace.id,
                          .name = name,
                          .secret_digest = control::api_key_digest(text),
                          .created_at = clock.now()};
  const auto made = relay::write_and_wait(*(*store)->database, [&](relay::Transaction& tx) {
    return add(tx, workspace, key, (*store)->keyring);
  });
  if (!made) return std::cerr << made.error().message << std::endl, 1;
  std::cout << text << std::endl;
  return 0;
}

}  // namespace
}  // namespace postern

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return postern::run(argv[1], argv[2], argc > 3 ? argv[3] : "");
}
