// The authority on a real store: what a catalog that is behind, a revocation and a repeated claim do to it.

#include "relay/tunnel/store_agent_authority.hpp"

#include <gtest/gtest.h>

#include "hub_world.hpp"
#include "relay/store/open_store.hpp"
#include "relay/store/repositories.hpp"

namespace postern::relay {
namespace {

class StoreAuthority : public testing::Test {
 protected:
  StoreAuthority() {
    std::string path = (std::filesystem::temp_directory_path() / "postern-XXXXXX").string();
    root_ = ::mkdtemp(path.data());
    StoreOptions options;
    options.data_dir = root_ / "data";
    auto store = open_store(std::move(options), clock_, random_, ids_);
    if (!store) throw std::runtime_error(store.error().message);
    store_ = std::move(*store);
    authority_ = std::make_unique<StoreAgentAuthority>(*store_->database, store_->keyring, catalog_, clock_,
                                                       [this] { ++changes_; });
    agent_.id = ids_.of<AgentId>();
    agent_.workspace_id = store_->default_workspace.id;
    agent_.name = "one";
    agent_.created_at = clock_.now();
    change([&](AgentRepository& agents) { return agents.create(agent_); });
    reload();
  }
  ~StoreAuthority() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  template <class Fn>
  void change(Fn fn) {
    std::promise<Result<void>> done;
    store_->database->write(
        [&](Transaction& tx) {
          AgentRepository agents(tx, store_->keyring);
          return Result<void>(fn(agents));
        },
        [&](Result<void> result) { done.set_value(std::move(result)); });
    const auto result = done.get_future().get();
    ASSERT_TRUE(result) << result.error().message;
  }
  void reload() {
    std::promise<void> done;
    std::shared_ptr<const Catalog> next;
    store_->database->read([&](Transaction& tx) { next = load_catalog(tx, store_->keyring); },
                           [&](Result<void>) { done.set_value(); });
    done.get_future().wait();
    catalog_.replace(next);
  }
  JoinId offer(Duration life = std::chrono::minutes(15)) {
    Enrollment enrollment;
    enrollment.id = ids_.of<JoinId>();
    enrollment.agent_id = agent_.id;
    enrollment.workspace_id = agent_.workspace_id;
    enrollment.stored_key = std::string(32, 'j');
    enrollment.server_key = std::string(32, 'k');
    enrollment.expires_at = clock_.now() + life;
    change([&](AgentRepository& agents) { return agents.create_enrollment(enrollment); });
    return enrollment.id;
  }
  Result<AgentId> claim(JoinId join, char key) {
    return loops_.run(
        authority_->claim({join, std::string(32, key), std::string(32, key), std::string(32, 's'), "{}"}));
  }
  bool known_with(char key) {
    const auto found = authority_->find_agent(agent_.id);
    return found && found->stored_key == std::string(32, key);
  }

  SystemClock clock_;
  SystemRandom random_;
  IdGenerator ids_{clock_, random_};
  std::filesystem::path root_;
  std::unique_ptr<Store> store_;
  CatalogHolder catalog_;
  std::atomic<int> changes_{0};
  std::unique_ptr<StoreAgentAuthority> authority_;
  Agent agent_;
  Loops loops_{1};
};

TEST_F(StoreAuthority, AnAgentThatHasNotJoinedIsUnknown) {
  EXPECT_FALSE(authority_->find_agent(agent_.id));
  EXPECT_FALSE(authority_->find_agent(ids_.of<AgentId>()));
}

TEST_F(StoreAuthority, AnEnrollmentIsFoundWithItsVerifiers) {
  const auto found = loops_.run(authority_->find_enrollment(offer()));
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(found->agent_id, agent_.id);
  EXPECT_EQ(found->server_key, std::string(32, 'k'));
  EXPECT_EQ(loops_.run(authority_->find_enrollment(ids_.of<JoinId>())).error().code, "not_found");
}

TEST_F(StoreAuthority, AnAgentLogsInRightAfterItJoinedThoughTheCatalogIsBehind) {
  ASSERT_TRUE(claim(offer(), 'a'));
  EXPECT_EQ(changes_, 1);
  EXPECT_TRUE(known_with('a'));
  reload();
  EXPECT_TRUE(known_with('a'));
}

TEST_F(StoreAuthority, ATokenIsClaimedOnceAndTheSameClaimAgainIsAnsweredAlike) {
  const JoinId join = offer();
  ASSERT_TRUE(claim(join, 'a'));
  EXPECT_EQ(claim(join, 'a'), agent_.id);
  EXPECT_EQ(claim(join, 'b').error().code, "conflict");
  EXPECT_TRUE(known_with('a'));
}

TEST_F(StoreAuthority, AnExpiredTokenIsNotClaimed) {
  EXPECT_EQ(claim(offer(-std::chrono::seconds(1)), 'a').error().code, "expired");
  EXPECT_FALSE(authority_->find_agent(agent_.id));
}

TEST_F(StoreAuthority, ARevokedAgentIsUnknownAndTheOldClaimDoesNotBringItBack) {
  const JoinId join = offer();
  ASSERT_TRUE(claim(join, 'a'));
  change([&](AgentRepository& agents) { return agents.revoke(agent_.workspace_id, agent_.id); });
  reload();
  EXPECT_FALSE(authority_->find_agent(agent_.id));
  EXPECT_FALSE(claim(join, 'a'));
  EXPECT_FALSE(authority_->find_agent(agent_.id));
}

TEST_F(StoreAuthority, JoiningAnewReplacesTheSecretAtOnce) {
  ASSERT_TRUE(claim(offer(), 'a'));
  reload();
  ASSERT_TRUE(claim(offer(), 'b'));
  EXPECT_TRUE(known_with('b'));
  reload();
  EXPECT_TRUE(known_with('b'));
}

TEST_F(StoreAuthority, ALoginIsRemembered) {
  ASSERT_TRUE(claim(offer(), 'a'));
  ASSERT_TRUE(loops_.run(authority_->logged_in(AgentLogin{agent_.id, 5, 0, 0, {}, {}, {}})));
  reload();
  EXPECT_EQ(authority_->find_agent(agent_.id)->generation, 5U);
}

}  // namespace
}  // namespace postern::relay
