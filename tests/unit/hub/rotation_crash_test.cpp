// An agent changes its secret, and one end or the other is killed at every step of it: with the real
// handshakes, the real store, the agent's own files and its choice of secrets. Nobody is ever locked out, and
// the change comes about.

#include <gtest/gtest.h>

#include "agent/secret_rotation.hpp"
#include "hub_world.hpp"
#include "relay/store/open_store.hpp"
#include "relay/tunnel/credential_desk.hpp"

namespace postern::relay {
namespace {

/// Ends the agent's process at the n-th step that it passes; never at 0.
class CrashPoint {
 public:
  struct Killed {};
  explicit CrashPoint(int at) : at_(at) {}
  void pass() {
    if (++passed_ == at_) throw Killed();
  }
  int passed() const { return passed_; }

 private:
  int at_;
  int passed_ = 0;
};

class RotationCrash : public testing::Test {
 protected:
  RotationCrash() {
    std::string path = (std::filesystem::temp_directory_path() / "postern-XXXXXX").string();
    root_ = ::mkdtemp(path.data());
    StoreOptions options;
    options.data_dir = root_ / "data";
    store_ = std::move(*open_store(std::move(options), clock_, random_, ids_));
  }
  ~RotationCrash() override {
    store_.reset();
    std::filesystem::remove_all(root_);
  }

  template <class T, class Fn>
  Result<T> write(Fn fn) {
    Result<T> result = fail("unset", "");
    const auto done = write_and_wait(*store_->database, [&](Transaction& tx) -> Result<void> {
      AgentRepository agents(tx, store_->keyring);
      result = fn(agents);
      return {};
    });
    EXPECT_TRUE(done);
    return result;
  }
  Agent stored() {
    return *write<Agent>([&](AgentRepository& agents) { return agents.get(workspace_, id_); });
  }

  /// A new agent with a directory of its own.
  void new_agent() {
    Agent agent;
    agent.id = id_ = ids_.of<AgentId>();
    agent.workspace_id = workspace_ = store_->default_workspace.id;
    agent.name = id_.to_string();
    agent.state = AgentState::enrolled;
    agent.created_at = clock_.now();
    agent::Identity identity;
    identity.agent_id = id_;
    identity.secret = random_.bytes(32);
    identity.relay = {"relay.test", 9700};
    identity.pins = {std::string(32, 'p')};
    const auto keys = tunnel::derive_verifiers(tunnel::Identity::agent, id_.uuid, identity.secret);
    agent.stored_key = keys.stored_key;
    agent.server_key = keys.server_key;
    ASSERT_TRUE(write<int>([&](AgentRepository& agents) -> Result<int> {
      if (auto made = agents.create(agent); !made) return std::unexpected(made.error());
      return 1;
    }));
    dir_ = std::make_unique<agent::StateDir>(root_ / id_.to_string());
    ASSERT_TRUE(dir_->create());
    ASSERT_TRUE(dir_->save(identity));
  }

  /// Both handshakes, byte for byte. nullopt: refused.
  std::optional<tunnel::Hello> log_in(const agent::Identity& identity, const agent::SecretPick& pick) {
    const tunnel::Exporter exporter = [](std::string_view) { return std::string(32, 'e'); };
    tunnel::Hello hello;
    hello.id = id_.uuid;
    hello.key_epoch = pick.key_epoch;
    hello.generation = identity.generation;
    hello.instance_id = identity.instance;
    tunnel::AgentHandshake agent(hello, pick.secret, exporter, random_);
    tunnel::RelayHandshake relay({"relay", std::string(32, 'd')}, exporter, random_);
    std::size_t used = 0;
    EXPECT_TRUE(relay.receive(agent.start(), &used));
    const Agent row = stored();
    const AgentVerifier known = proven_with({id_,
                                             workspace_,
                                             row.stored_key,
                                             row.server_key,
                                             row.generation,
                                             row.replicas,
                                             row.next_stored_key,
                                             row.next_server_key,
                                             row.key_epoch,
                                             {},
                                             false,
                                             OnCopy::alert,
                                             {}},
                                            relay.hello().key_epoch);
    EXPECT_TRUE(
        relay.found(tunnel::Account{{known.stored_key, known.server_key}, id_, row.generation + 1, {}}));
    EXPECT_TRUE(agent.receive(relay.take_output(), &used));
    if (!relay.receive(agent.take_output(), &used)) return std::nullopt;
    EXPECT_EQ(agent.receive(relay.take_output(), &used).value(), tunnel::AgentHandshake::Step::done);
    proven_ = known;
    return relay.hello();
  }

  /// What an agent's process does until it has the secret number `goal`. With `forgetful` the relay is killed
  /// after each AUTH_OK, before it has written the login down.
  void run(CrashPoint& crash, std::uint32_t goal, bool forgetful) {
    agent::Identity identity = *dir_->identity();
    agent::SecretRotation rotation;
    for (int sessions = 0; sessions < 6; ++sessions) {
      crash.pass();
      const auto hello = log_in(identity, rotation.pick(identity));
      if (!hello) {
        ASSERT_TRUE(rotation.refused(identity)) << "locked out";
        continue;
      }
      if (!forgetful)
        write<LoginFindings>([&](AgentRepository& agents) {
          AgentLogin login = login_of(*hello, "peer");
          login.generation = stored_generation_ += 1;
          return agents.record_login(login, clock_.now());
        });
      crash.pass();  // AUTH_OK is lost
      rotation.admitted(identity);
      crash.pass();  // it came, and is not on disk
      ASSERT_TRUE(dir_->save(identity));
      crash.pass();
      if (identity.key_epoch >= goal && identity.next_secret.empty()) return;
      if (identity.next_secret.empty()) identity.next_secret = random_.bytes(32);
      ASSERT_TRUE(dir_->save(identity));
      crash.pass();  // ROTATE is lost
      rotate(identity);
      crash.pass();  // ROTATE_OK is lost
      identity.next_known = true;
      crash.pass();  // it came, and is not on disk
      ASSERT_TRUE(dir_->save(identity));
      crash.pass();
    }
    FAIL() << "the secret did not change";
  }
  void rotate(const agent::Identity& identity) {
    const auto keys = tunnel::derive_verifiers(tunnel::Identity::agent, id_.uuid, identity.next_secret);
    NextSecret next{id_,
                    workspace_,
                    proven_.key_epoch,
                    proven_.stored_key,
                    identity.key_epoch + 1,
                    keys.stored_key,
                    keys.server_key};
    const auto kept = write<int>([&](AgentRepository& agents) -> Result<int> {
      if (auto done = agents.set_next_secret(next, clock_.now()); !done) return std::unexpected(done.error());
      return 1;
    });
    ASSERT_TRUE(kept) << kept.error().message;
  }
  void run_killed_at(int point, std::uint32_t goal, bool forgetful) {
    CrashPoint crash(point);
    try {
      run(crash, goal, forgetful);
    } catch (const CrashPoint::Killed&) {
    }
  }

  SystemClock clock_;
  SystemRandom random_;
  IdGenerator ids_{clock_, random_};
  std::filesystem::path root_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<agent::StateDir> dir_;
  AgentId id_;
  WorkspaceId workspace_;
  AgentVerifier proven_;
  std::uint64_t stored_generation_ = 0;
};

TEST_F(RotationCrash, WithoutOneTheOldSecretEndsWithTheFirstLoginOfTheNew) {
  new_agent();
  const std::string old = dir_->identity()->secret;
  CrashPoint none(0);
  run(none, 1, false);
  EXPECT_GT(none.passed(), 10);
  EXPECT_EQ(stored().key_epoch, 1U);
  EXPECT_TRUE(stored().next_stored_key.empty());
  EXPECT_TRUE(log_in(*dir_->identity(), {dir_->identity()->secret, 1}));
  EXPECT_FALSE(log_in(*dir_->identity(), {old, 0}));
  EXPECT_FALSE(log_in(*dir_->identity(), {old, 1}));
}

TEST_F(RotationCrash, TheOldSecretIsGoodUntilThen) {
  new_agent();
  agent::Identity identity = *dir_->identity();
  ASSERT_TRUE(log_in(identity, {identity.secret, 0}));
  identity.next_secret = random_.bytes(32);
  rotate(identity);
  rotate(identity);  // told again
  EXPECT_TRUE(log_in(identity, {identity.secret, 0}));
  EXPECT_TRUE(log_in(identity, {identity.next_secret, 1}));
  EXPECT_FALSE(log_in(identity, {identity.next_secret, 0}));
}

TEST_F(RotationCrash, ASupersededSessionChangesNothing) {
  new_agent();
  agent::Identity identity = *dir_->identity();
  ASSERT_TRUE(log_in(identity, {identity.secret, 0}));
  CrashPoint none(0);
  const AgentVerifier old = proven_;
  run(none, 1, false);
  proven_ = old;
  NextSecret next{id_, workspace_,           old.key_epoch,       old.stored_key,
                  1,   std::string(32, 'x'), std::string(32, 'y')};
  const auto kept = write<int>([&](AgentRepository& agents) -> Result<int> {
    if (auto done = agents.set_next_secret(next, clock_.now()); !done) return std::unexpected(done.error());
    return 1;
  });
  EXPECT_EQ(kept.error().code, "superseded");
}

TEST_F(RotationCrash, KilledAtAnyTwoStepsTheAgentComesBackAndTheSecretChanges) {
  new_agent();
  CrashPoint none(0);
  run(none, 1, false);
  const int points = none.passed();
  for (const bool forgetful : {false, true}) {
    for (int first = 1; first <= points; ++first) {
      for (const int second : {0, 1, 2, 3, 5, 6, 7}) {
        SCOPED_TRACE(fmt::format("killed at {} and {}, forgetful {}", first, second, forgetful));
        new_agent();
        run_killed_at(first, 1, forgetful);
        run_killed_at(second, 1, forgetful);
        CrashPoint unharmed(0);
        run(unharmed, 1, false);
        if (HasFatalFailure()) return;
        EXPECT_EQ(stored().key_epoch, dir_->identity()->key_epoch);
        EXPECT_TRUE(stored().next_stored_key.empty());
      }
    }
  }
}

}  // namespace
}  // namespace postern::relay
