#pragma once
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include <condition_variable>
#include <future>
#include <map>
#include <set>
#include <thread>

#include "agent/join.hpp"
#include "agent/keeper.hpp"
#include "relay/tunnel/hub.hpp"
#include "tunnel-proto/join_token.hpp"

/// A relay's hub and agents as they are in production, in one process, over loopback TLS.
namespace postern::relay {

/// Loops, each on a thread of its own.
class Loops {
 public:
  explicit Loops(std::size_t count);
  ~Loops() { stop(); }
  void stop();
  boost::asio::io_context& at(std::size_t i) { return *loops_[i]; }
  std::vector<boost::asio::io_context*> all();
  /// Runs one task on a loop and waits for what it returns.
  template <class T>
  T run(boost::asio::awaitable<T> task, std::size_t on = 0) {
    return boost::asio::co_spawn(at(on), std::move(task), boost::asio::use_future).get();
  }

 private:
  using Guard = boost::asio::executor_work_guard<boost::asio::io_context::executor_type>;
  std::vector<std::unique_ptr<boost::asio::io_context>> loops_;
  std::vector<Guard> guards_;
  std::vector<std::thread> threads_;
};

/// AgentAuthority in memory, with the store's rules.
class MemoryAuthority final : public AgentAuthority {
 public:
  explicit MemoryAuthority(const Clock& clock) : clock_(clock) {}
  std::optional<AgentVerifier> find_agent(AgentId agent) override;
  boost::asio::awaitable<Result<JoinVerifier>> find_enrollment(JoinId join) override;
  boost::asio::awaitable<Result<AgentId>> claim(EnrollClaim claim) override;
  boost::asio::awaitable<Result<void>> rotate(NextSecret next) override;
  boost::asio::awaitable<Result<LoginFindings>> logged_in(AgentLogin login) override;
  boost::asio::awaitable<Result<void>> copy_refused(AgentId agent, std::string peer) override;

  void add(AgentVerifier verifier);
  void offer(JoinVerifier join);
  void revoke(AgentId agent);
  void change(AgentId agent, const std::function<void(AgentVerifier&)>& fn);
  std::uint32_t key_epoch(AgentId agent);
  std::uint64_t generation(AgentId agent);

 private:
  const Clock& clock_;
  std::mutex mutex_;
  std::map<AgentId, AgentVerifier> agents_;
  std::map<AgentId, LastLogin> logins_;
  std::map<AgentId, std::optional<Time>> cleared_;
  std::map<JoinId, JoinVerifier> joins_;
  std::map<JoinId, std::string> claims_;
};

/// One agent's process, without the process: its loop, keeper and forwarder.
class TestAgent {
 public:
  /// `journal`: a file that outlives it; empty: one of its own.
  TestAgent(agent::Identity identity, agent::Limits limits, std::filesystem::path journal = {},
            std::size_t sessions = 1);
  ~TestAgent();
  void drain();  ///< as SIGTERM does; returns when it has ended
  void kill();   ///< as a second SIGTERM does
  int exit_status() { return exit_.get(); }

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
  std::future<int> exit_;
};

class HubTest : public testing::Test {
 protected:
  HubTest();
  ~HubTest() override;

  void start_hub(HubOptions options = quick_options());
  static HubOptions quick_options();
  /// The hub gives its address to another one, and is the caller's.
  std::unique_ptr<Hub> succeed_hub();
  void end_hub(std::unique_ptr<Hub> hub);
  void stop_hub();  ///< polite first

  agent::Identity new_identity(std::vector<std::string> allow, bool replicas = false);  ///< enrolled by hand
  tunnel::JoinToken new_token(std::optional<AgentId> agent = std::nullopt);
  std::unique_ptr<TestAgent> start_agent(const agent::Identity& identity, agent::Limits limits = {},
                                         std::filesystem::path journal = {}, std::size_t sessions = 1);
  Result<agent::Identity> join(const tunnel::JoinToken& token, const std::filesystem::path& dir);

  void wait_present(AgentId agent, bool present);
  void wait_sessions(std::size_t count);  ///< live ones of the hub
  void wait_audit(const std::string& action, std::size_t count = 1);
  std::future<AgentAnswer> deliver_later(AgentId agent, AgentRequest request);
  AgentAnswer deliver(AgentId agent, AgentRequest request) {
    return deliver_later(agent, std::move(request)).get();
  }
  AgentRequest request_to(std::uint16_t port, std::string body = "hello");

  SystemClock clock_;
  SystemRandom random_;
  IdGenerator ids_{clock_, random_};
  MemoryAuthority authority_{clock_};
  tunnel::TlsIdentity tls_identity_;
  prometheus::Registry metrics_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<AgentId, bool> presence_;
  std::vector<TunnelAudit> audits_;
  Loops loops_{2};
  std::unique_ptr<Hub> hub_;
  boost::asio::ip::tcp::endpoint endpoint_;
};

}  // namespace postern::relay
