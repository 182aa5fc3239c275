#include "hub_world.hpp"

#include <sys/stat.h>

#include "base/crypto.hpp"
#include "relay/tunnel/credential_desk.hpp"

namespace postern::relay {

namespace asio = boost::asio;

namespace {

constexpr auto kPatience = std::chrono::seconds(20);
constexpr const char* kLoopback = "127.0.0.1";

asio::awaitable<AgentAnswer> ask(Hub& hub, AgentId agent, AgentRequest request) {
  co_return co_await hub.deliver(agent, std::move(request));
}

asio::awaitable<int> turn() {
  co_return 0;
}

}  // namespace

Loops::Loops(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    loops_.push_back(std::make_unique<asio::io_context>(1));
    guards_.emplace_back(loops_.back()->get_executor());
    threads_.emplace_back([loop = loops_.back().get()] { loop->run(); });
  }
}

void Loops::stop() {
  guards_.clear();
  for (auto& loop : loops_) loop->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

std::vector<asio::io_context*> Loops::all() {
  std::vector<asio::io_context*> out;
  for (auto& loop : loops_) out.push_back(loop.get());
  return out;
}

std::optional<AgentVerifier> MemoryAuthority::find_agent(AgentId agent) {
  const std::lock_guard lock(mutex_);
  const auto found = agents_.find(agent);
  return found == agents_.end() ? std::nullopt : std::optional(found->second);
}

asio::awaitable<Result<JoinVerifier>> MemoryAuthority::find_enrollment(JoinId join) {
  const std::lock_guard lock(mutex_);
  const auto found = joins_.find(join);
  if (found == joins_.end()) co_return fail("not_found", "");
  co_return found->second;
}

asio::awaitable<Result<AgentId>> MemoryAuthority::claim(EnrollClaim claim) {
  const std::lock_guard lock(mutex_);
  const auto found = joins_.find(claim.join_id);
  if (found == joins_.end()) co_return fail("not_found", "");
  if (clock_.now() >= found->second.expires_at) co_return fail("expired", "");
  const auto [at, first] = claims_.try_emplace(claim.join_id, claim.digest);
  if (!first && at->second != claim.digest) co_return fail("conflict", "");
  const AgentId agent = found->second.agent_id;
  agents_[agent] = {agent, found->second.workspace_id, claim.stored_key, claim.server_key, 0};
  co_return agent;
}

asio::awaitable<Result<void>> MemoryAuthority::rotate(NextSecret next) {
  const std::lock_guard lock(mutex_);
  AgentVerifier& agent = agents_.at(next.agent);
  if (next.proven_key != agent.stored_key || next.key_epoch != agent.key_epoch + 1)
    co_return fail("superseded", "");
  agent.next_stored_key = next.stored_key;
  agent.next_server_key = next.server_key;
  co_return Result<void>();
}

asio::awaitable<Result<LoginFindings>> MemoryAuthority::logged_in(AgentLogin login) {
  const std::lock_guard lock(mutex_);
  const auto found = agents_.find(login.agent);
  if (found == agents_.end()) co_return fail("not_found", "");
  AgentVerifier& agent = found->second;
  LastLogin& last = logins_[login.agent];
  // As the store does: what came before an alarm was called off is forgotten.
  if (std::exchange(cleared_[login.agent], agent.copy_cleared_at) != agent.copy_cleared_at) last = {};
  LoginFindings findings{.rotated = agent.key_epoch < login.key_epoch, .copy = shows_a_copy(last, login)};
  agent = proven_with(agent, login.key_epoch);
  if (findings.rotated) agent.rotation_asked = false;
  agent.generation = login.generation;
  last = {login.generation, {reinterpret_cast<const char*>(login.instance.data()), login.instance.size()}};
  co_return findings;
}

asio::awaitable<Result<void>> MemoryAuthority::copy_refused(AgentId, std::string) {
  co_return Result<void>();
}

void MemoryAuthority::change(AgentId agent, const std::function<void(AgentVerifier&)>& fn) {
  const std::lock_guard lock(mutex_);
  fn(agents_.at(agent));
}

std::uint32_t MemoryAuthority::key_epoch(AgentId agent) {
  const std::lock_guard lock(mutex_);
  return agents_.at(agent).key_epoch;
}

void MemoryAuthority::add(AgentVerifier verifier) {
  const std::lock_guard lock(mutex_);
  agents_[verifier.agent_id] = std::move(verifier);
}

void MemoryAuthority::offer(JoinVerifier join) {
  const std::lock_guard lock(mutex_);
  joins_[join.join_id] = std::move(join);
}

void MemoryAuthority::revoke(AgentId agent) {
  const std::lock_guard lock(mutex_);
  agents_.erase(agent);
}

std::uint64_t MemoryAuthority::generation(AgentId agent) {
  const std::lock_guard lock(mutex_);
  return agents_[agent].generation;
}

struct TestAgent::Parts {
  Parts(agent::Identity identity, agent::Limits limits, std::filesystem::path journal, std::size_t sessions)
      : dir(make_dir()), board(dir.status_file(), clock), loop(1) {
    if (journal.empty()) journal = dir.journal_file(identity.agent_id);
    results = agent::ResultKeeper::open(journal, {}).value();
    tunnel::ConnectionLimits connection;
    connection.session.max_deliveries = static_cast<std::uint32_t>(limits.deliveries);
    auto forwarder = std::make_shared<agent::Forwarder>(loop.get_executor(), identity.allow, limits,
                                                        agent::AppTls{}, *results, board, clock);
    keeper = std::make_shared<agent::Keeper>(
        agent::Keeper::Parts{loop, dir, board, clock, random, connection}, std::move(identity),
        std::move(forwarder), agent::Keeper::Settings{true, {}, sessions});
  }
  ~Parts() {
    keeper.reset();
    results.reset();
    std::filesystem::remove_all(dir.path());
  }
  static agent::StateDir make_dir() {
    std::string path = (std::filesystem::temp_directory_path() / "postern-XXXXXX").string();
    if (!::mkdtemp(path.data())) throw std::runtime_error("mkdtemp");
    return agent::StateDir(path);
  }
  SystemClock clock;
  SystemRandom random;
  agent::StateDir dir;
  agent::StatusBoard board;
  asio::io_context loop;
  std::unique_ptr<agent::ResultKeeper> results;
  std::shared_ptr<agent::Keeper> keeper;
  std::thread thread;
};

TestAgent::TestAgent(agent::Identity identity, agent::Limits limits, std::filesystem::path journal,
                     std::size_t sessions)
    : parts_(std::make_unique<Parts>(std::move(identity), limits, std::move(journal), sessions)) {
  exit_ = asio::co_spawn(parts_->loop, parts_->keeper->run(), asio::use_future);
  parts_->thread = std::thread([loop = &parts_->loop] { loop->run(); });
}

TestAgent::~TestAgent() {
  kill();
}

void TestAgent::drain() {
  asio::post(parts_->loop, [keeper = parts_->keeper] { keeper->drain(); });
  EXPECT_EQ(exit_.wait_for(kPatience), std::future_status::ready);
  kill();
}

void TestAgent::kill() {
  if (!parts_) return;
  asio::post(parts_->loop, [keeper = parts_->keeper] { keeper->stop(); });
  if (exit_.valid()) EXPECT_EQ(exit_.wait_for(kPatience), std::future_status::ready);
  parts_->loop.stop();  // idle connections to the apps would keep it going
  parts_->thread.join();
  parts_.reset();
}

HubTest::HubTest() : tls_identity_(tunnel::generate_tls_identity("test", clock_.now())) {}

HubTest::~HubTest() {
  stop_hub();
}

HubOptions HubTest::quick_options() {
  HubOptions options;
  options.listen = {asio::ip::make_address(kLoopback), 0};
  options.return_after = std::chrono::milliseconds(10);
  options.return_spread = std::chrono::milliseconds(10);
  options.failures.burst = 1000;
  return options;
}

void HubTest::start_hub(HubOptions options) {
  if (endpoint_.port() != 0) options.listen = endpoint_;  // again where the agents know it
  options.audit = [this](const TunnelAudit& entry) {
    const std::lock_guard lock(mutex_);
    audits_.push_back(entry);
    changed_.notify_all();
  };
  auto tls = tunnel::TlsContext::server(tls_identity_);
  ASSERT_TRUE(tls);
  const auto loops = loops_.all();
  hub_ = std::make_unique<Hub>(loops, authority_, TunnelTls{*tls}, clock_, random_, metrics_,
                               std::move(options));
  hub_->on_presence([this](AgentId agent, bool present) {
    const std::lock_guard lock(mutex_);
    presence_[agent] = present;
    changed_.notify_all();
  });
  const auto bound = hub_->start();
  ASSERT_TRUE(bound) << bound.error().message;
  EXPECT_NE(bound->port(), 0);
  endpoint_ = *bound;
}

void HubTest::stop_hub() {
  if (hub_) end_hub(std::move(hub_));
}

void HubTest::end_hub(std::unique_ptr<Hub> hub) {
  hub->stop();
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (hub->connections() > 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
  EXPECT_EQ(hub->connections(), 0U);
  loops_.run(turn());  // the listener has closed behind this
}

std::unique_ptr<Hub> HubTest::succeed_hub() {
  auto older = std::move(hub_);
  older->announce();
  loops_.run(turn());
  start_hub();
  return older;
}

void HubTest::wait_sessions(std::size_t count) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (hub_->sessions() != count && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(hub_->sessions(), count);
}

agent::Identity HubTest::new_identity(std::vector<std::string> allow, bool replicas) {
  agent::Identity identity;
  identity.agent_id = ids_.of<AgentId>();
  identity.secret = random_.bytes(32);
  identity.relay = {kLoopback, endpoint_.port()};
  identity.pins = {*tunnel::spki_sha256(tls_identity_.certificate_pem)};
  identity.allow = *agent::AllowList::parse(allow);
  const auto keys =
      tunnel::derive_verifiers(tunnel::Identity::agent, identity.agent_id.uuid, identity.secret);
  authority_.add({identity.agent_id, {}, keys.stored_key, keys.server_key, 0, replicas});
  return identity;
}

tunnel::JoinToken HubTest::new_token(std::optional<AgentId> agent) {
  tunnel::JoinToken token;
  token.host = kLoopback;
  token.port = endpoint_.port();
  token.join_id = ids_.of<JoinId>();
  token.join_secret = random_.bytes(32);
  token.pins = {*tunnel::spki_sha256(tls_identity_.certificate_pem)};
  token.expires_at = std::chrono::floor<std::chrono::seconds>(clock_.now()) + std::chrono::minutes(15);
  const auto keys = tunnel::derive_verifiers(tunnel::Identity::join, token.join_id.uuid, token.join_secret);
  authority_.offer({token.join_id,
                    agent.value_or(ids_.of<AgentId>()),
                    {},
                    keys.stored_key,
                    keys.server_key,
                    token.expires_at});
  return token;
}

std::unique_ptr<TestAgent> HubTest::start_agent(const agent::Identity& identity, agent::Limits limits,
                                                std::filesystem::path journal, std::size_t sessions) {
  return std::make_unique<TestAgent>(identity, limits, std::move(journal), sessions);
}

Result<agent::Identity> HubTest::join(const tunnel::JoinToken& token, const std::filesystem::path& dir) {
  const agent::StateDir state(dir);
  EXPECT_TRUE(state.create());
  asio::io_context loop(1);
  auto result = asio::co_spawn(loop, agent::join({state, clock_, random_, {}}, token, {}), asio::use_future);
  loop.run();
  return result.get();
}

void HubTest::wait_present(AgentId agent, bool present) {
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return presence_[agent] == present; }))
      << "the agent never became " << (present ? "present" : "absent");
}

void HubTest::wait_audit(const std::string& action, std::size_t count) {
  const auto seen = [&] {
    return static_cast<std::size_t>(std::count_if(audits_.begin(), audits_.end(),
                                                  [&](const auto& entry) { return entry.action == action; }));
  };
  std::unique_lock lock(mutex_);
  EXPECT_TRUE(changed_.wait_for(lock, kPatience, [&] { return seen() >= count; })) << action << " " << seen();
}

std::future<AgentAnswer> HubTest::deliver_later(AgentId agent, AgentRequest request) {
  return asio::co_spawn(loops_.at(0), ask(*hub_, agent, std::move(request)), asio::use_future);
}

AgentRequest HubTest::request_to(std::uint16_t port, std::string body) {
  AgentRequest request;
  request.delivery_id = ids_.of<DeliveryId>();
  request.deadline = std::chrono::seconds(15);
  request.host = kLoopback;
  request.port = port;
  request.method = "POST";
  request.target = "/hook?x=1&y=%20";
  request.headers = {{"Content-Type", "application/octet-stream"}, {"X-Twice", "1"}, {"X-Twice", "2"}};
  request.body = std::make_shared<const std::string>(std::move(body));
  return request;
}

}  // namespace postern::relay
