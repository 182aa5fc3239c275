// Adds agents that have joined to a store that no relay has open, and prints "agt_… SECRET" (base64url) for
// each: joining a thousand one by one would take a test's time.
//   test_add_agents DATA_DIR COUNT [POSTGRES_URL]
#include <iostream>

#include "base/bytes.hpp"
#include "relay/store/open_store.hpp"
#include "relay/store/repositories.hpp"
#include "tunnel-proto/handshake.hpp"

namespace postern {
namespace {

struct Added {
  relay::Agent agent;
  std::string secret;
};

Added make(WorkspaceId workspace, const Clock& clock, Random& random, IdGenerator& ids) {
  Added added;
  added.secret = random.bytes(32);
  added.agent.id = ids.of<AgentId>();
  added.agent.workspace_id = workspace;
  const auto keys = tunnel::derive_verifiers(tunnel::Identity::agent, added.agent.id.uuid, added.secret);
  added.agent.name = "agent-" + added.agent.id.to_string().substr(4);
  added.agent.state = relay::AgentState::enrolled;
  added.agent.stored_key = keys.stored_key;
  added.agent.server_key = keys.server_key;
  added.agent.created_at = clock.now();
  return added;
}

int run(const std::string& directory, std::size_t count, const std::string& url) {
  SystemClock clock;
  SystemRandom random;
  IdGenerator ids{clock, random};
  relay::StoreOptions options;
  options.data_dir = directory;
  options.postgres.url = url;
  auto store = relay::open_store(std::move(options), clock, random, ids);
  if (!store) return std::cerr << store.error().message << std::endl, 1;
  std::vector<Added> made;
  const auto done = relay::write_and_wait(*(*store)->database, [&](relay::Transaction& tx) -> Result<void> {
    const WorkspaceId workspace = relay::WorkspaceRepository(tx).all().front().id;
    for (std::size_t n = 0; n < count; ++n) {
      made.push_back(make(workspace, clock, random, ids));
      auto added = relay::AgentRepository(tx, (*store)->keyring).create(made.back().agent);
      if (!added) return added;
    }
    return {};
  });
  if (!done) return std::cerr << done.error().message << std::endl, 1;
  for (const Added& it : made) {
    std::cout << it.agent.id.to_string() << ' ' << base64url_encode(it.secret) << '\n';
  }
  return 0;
}

}  // namespace
}  // namespace postern

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  return postern::run(argv[1], std::stoul(argv[2]), argc > 3 ? argv[3] : "");
}
