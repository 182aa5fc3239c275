// Secrets that change, states that were copied, keys of the relay that change: with real agents and real TLS.

#include "apps.hpp"
#include "hub_world.hpp"

namespace postern::relay {
namespace {

using test::HttpListener;

class Credentials : public HubTest {
 protected:
  Credentials() { start_hub(); }

  static std::string allow(std::uint16_t port) { return fmt::format("127.0.0.1:{}", port); }
  double counted(const std::string& name) {
    for (const auto& family : metrics_.Collect()) {
      if (family.name == name) return family.metric.front().counter.value;
    }
    return -1;
  }
  TunnelTls tls_of(const tunnel::TlsIdentity& identity, const std::vector<tunnel::TlsIdentity>& announced) {
    TunnelTls tls{*tunnel::TlsContext::server(identity)};
    for (const auto& one : announced) tls.pins.push_back(*tunnel::spki_sha256(one.certificate_pem));
    return tls;
  }
};

http::Response saying(std::string body) {
  http::Response response;
  response.body = std::move(body);
  return response;
}

TEST_F(Credentials, AnAgentThatIsAskedChangesItsSecretAndTheOldOneIsRefused) {
  const auto identity = new_identity({});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  authority_.change(identity.agent_id, [](AgentVerifier& known) { known.rotation_asked = true; });
  hub_->check_access();
  wait_audit("agent.secret_rotated");
  EXPECT_EQ(authority_.key_epoch(identity.agent_id), 1U);
  EXPECT_EQ(counted("postern_tunnel_rotations_total"), 1);
  wait_present(identity.agent_id, true);
  EXPECT_EQ(start_agent(identity)->exit_status(), agent::kExitRevoked);
  EXPECT_TRUE(hub_->present(identity.agent_id));
}

TEST_F(Credentials, ASecretThatIsTooOldIsChangedByItself) {
  stop_hub();
  HubOptions options = quick_options();
  options.rotate_after = std::chrono::hours(24);
  start_hub(std::move(options));
  const auto old = new_identity({});
  const auto young = new_identity({});
  authority_.change(old.agent_id,
                    [&](AgentVerifier& known) { known.keyed_at = clock_.now() - std::chrono::hours(25); });
  authority_.change(young.agent_id, [&](AgentVerifier& known) { known.keyed_at = clock_.now(); });
  const auto one = start_agent(young);
  wait_present(young.agent_id, true);
  const auto two = start_agent(old);
  wait_audit("agent.secret_rotated");
  EXPECT_GE(authority_.key_epoch(old.agent_id), 1U);
  EXPECT_EQ(authority_.key_epoch(young.agent_id), 0U);
}

TEST_F(Credentials, ADeliveryUnderWayIsAnsweredOnceWhileTheSecretChanges) {
  std::promise<void> arrived;
  std::promise<void> go_on;
  std::atomic<int> calls{0};
  auto may_go_on = go_on.get_future().share();
  HttpListener slow(HttpListener::answering([&](const auto&) {
                      if (++calls == 1) arrived.set_value();
                      may_go_on.wait();
                      return saying("late");
                    }),
                    {});
  const auto identity = new_identity({allow(slow.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const AgentRequest request = request_to(slow.port());
  auto answer = deliver_later(identity.agent_id, request);
  arrived.get_future().wait();
  authority_.change(identity.agent_id, [](AgentVerifier& known) { known.rotation_asked = true; });
  hub_->check_access();
  wait_audit("agent.secret_rotated");
  go_on.set_value();
  AgentAnswer got = answer.get();
  while (got.resumes || got.error_code == "agent_away") {  // as the dispatcher does
    wait_present(identity.agent_id, true);
    got = deliver(identity.agent_id, request);
  }
  EXPECT_EQ(got.body, "late");
  EXPECT_EQ(calls, 1);
}

TEST_F(Credentials, ACopyRaisesAnAlarm) {
  const auto identity = new_identity({});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const auto copy = start_agent(identity);  // shows a generation from before, as another process
  wait_audit("agent.copy_suspected");
  EXPECT_EQ(counted("postern_tunnel_copies_suspected_total"), 1);
}

TEST_F(Credentials, ACopyIsRefusedWhereItIsToBe) {
  HttpListener app(HttpListener::answering([](const auto&) { return saying("ok"); }), {});
  const auto identity = new_identity({allow(app.port())});
  authority_.change(identity.agent_id, [](AgentVerifier& known) { known.on_copy = OnCopy::deny; });
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const auto generation = hub_->generation(identity.agent_id);
  const auto copy = start_agent(identity);
  wait_audit("agent.copy_refused");
  EXPECT_EQ(hub_->generation(identity.agent_id), generation);
  EXPECT_EQ(deliver(identity.agent_id, request_to(app.port())).body, "ok");
  // Called off: whoever comes next is the agent.
  authority_.change(identity.agent_id, [&](AgentVerifier& known) { known.copy_cleared_at = clock_.now(); });
  const auto other = start_agent(identity);
  wait_audit("agent.replaced");
}

TEST_F(Credentials, TheSameJoinAgainSucceedsAndAnotherRaisesAnAlarm) {
  const AgentId id = ids_.of<AgentId>();
  const auto token = new_token(id);
  const auto root = std::filesystem::temp_directory_path() / token.join_id.to_string();
  std::filesystem::create_directories(root);
  std::filesystem::create_directories(root / "half");
  const auto first = join(token, root / "first");
  ASSERT_TRUE(first) << first.error().message;
  // The answer was lost: the agent has begun, and tells it again.
  const agent::StateDir half(root / "half");
  ASSERT_TRUE(half.save(agent::Joining{token.join_id, first->secret, agent::host_facts()}));
  const auto again = join(token, root / "half");
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(again->secret, first->secret);
  EXPECT_EQ(join(token, root / "thief").error().code, "already_used");
  wait_audit("agent.token_reused");
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(std::ranges::find(audits_, "agent.token_reused", &TunnelAudit::action)->object, id.to_string());
  std::filesystem::remove_all(root);
}

TEST_F(Credentials, ANewCertificateDropsNobodyAndIsShownToWhoComesNext) {
  HttpListener app(HttpListener::answering([](const auto&) { return saying("ok"); }), {});
  const auto identity = new_identity({allow(app.port())});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  const auto other = tunnel::generate_tls_identity("other", clock_.now());
  hub_->use_tls(tls_of(other, {}));
  EXPECT_EQ(deliver(identity.agent_id, request_to(app.port())).body, "ok");
  EXPECT_EQ(hub_->sessions(), 1U);
  auto token = new_token();
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / token.join_id.to_string();
  EXPECT_EQ(join(token, dir).error().code, "pin_mismatch");
  token.pins = {*tunnel::spki_sha256(other.certificate_pem)};
  EXPECT_TRUE(join(token, dir));
  std::filesystem::remove_all(dir);
}

TEST_F(Credentials, TheAnnouncedNextKeyIsTrustedWithoutJoiningAnew) {
  const auto next = tunnel::generate_tls_identity("next", clock_.now());
  const auto stranger = tunnel::generate_tls_identity("stranger", clock_.now());
  hub_->use_tls(tls_of(tls_identity_, {tls_identity_, next}));
  const auto identity = new_identity({});
  const auto agent = start_agent(identity);
  wait_present(identity.agent_id, true);
  hub_->use_tls(tls_of(next, {next}));
  hub_->disconnect(identity.agent_id, "shutdown");
  wait_present(identity.agent_id, false);
  wait_present(identity.agent_id, true);
  // And the first one is trusted no more.
  hub_->use_tls(tls_of(tls_identity_, {}));
  hub_->disconnect(identity.agent_id, "shutdown");
  wait_present(identity.agent_id, false);
  hub_->use_tls(tls_of(next, {}));
  wait_present(identity.agent_id, true);
}

}  // namespace
}  // namespace postern::relay
