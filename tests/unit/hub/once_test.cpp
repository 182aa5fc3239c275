// A delivery is taken to its app once, however often its stream breaks.
#include <future>

#include "apps.hpp"
#include "hub_world.hpp"

namespace postern::relay {
namespace {

/// Counts its calls, and answers each once it is released.
class PatientApp {
 public:
  PatientApp()
      : listener_(test::HttpListener::answering([this](const http::Request&) { return answer(); }), {}) {}
  std::uint16_t port() const { return listener_.port(); }
  int calls() {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  void wait_for_calls(int count) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, std::chrono::seconds(20), [&] { return calls_ >= count; }));
  }
  void release(int status = 200) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    changed_.notify_all();
  }

 private:
  http::Response answer() {
    std::unique_lock lock(mutex_);
    ++calls_;
    changed_.notify_all();
    changed_.wait_for(lock, std::chrono::seconds(20), [&] { return status_ != 0; });
    http::Response response;
    response.status = status_;
    response.body = fmt::format("call {}", calls_);
    return response;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  int calls_ = 0;
  int status_ = 0;
  test::HttpListener listener_;
};

class Once : public HubTest {
 protected:
  Once() { start_hub(); }
  ~Once() override { app_.release(); }

  AgentRequest attempt(unsigned number, unsigned answered = 0) {
    AgentRequest request = request_to(app_.port());
    request.delivery_id = delivery_;
    request.attempt = number;
    request.answered = answered;
    return request;
  }
  agent::Identity identity() { return new_identity({fmt::format("127.0.0.1:{}", app_.port())}); }
  /// The session ends; the agent comes back by itself.
  void break_session(AgentId agent) {
    hub_->disconnect(agent, "test");
    wait_present(agent, false);
  }
  AgentAnswer lost_in_the_middle(AgentId agent) {
    auto lost = deliver_later(agent, attempt(1));
    app_.wait_for_calls(1);
    break_session(agent);
    return lost.get();
  }

  PatientApp app_;
  DeliveryId delivery_ = ids_.of<DeliveryId>();
};

TEST_F(Once, AStreamThatBreaksIsNoOutcomeAndTheNextJoinsTheCall) {
  const auto who = identity();
  const auto agent = start_agent(who);
  wait_present(who.agent_id, true);
  const AgentAnswer lost = lost_in_the_middle(who.agent_id);
  EXPECT_EQ(lost.outcome, Outcome::maybe_sent);
  EXPECT_TRUE(lost.resumes);
  wait_present(who.agent_id, true);
  auto joined = deliver_later(who.agent_id, attempt(2));
  auto again = deliver_later(who.agent_id, attempt(2));
  app_.release();
  for (const AgentAnswer& answer : {joined.get(), again.get()}) {
    EXPECT_EQ(answer.outcome, Outcome::delivered) << answer.error_code;
    EXPECT_TRUE(answer.from_journal);
    EXPECT_EQ(answer.body, "call 1");
  }
  EXPECT_EQ(app_.calls(), 1);
}

TEST_F(Once, AnAnswerThatCameWithoutAStreamIsToldLater) {
  const auto who = identity();
  const auto agent = start_agent(who);
  wait_present(who.agent_id, true);
  lost_in_the_middle(who.agent_id);
  app_.release();
  wait_present(who.agent_id, true);
  const AgentAnswer told = deliver(who.agent_id, attempt(2));
  EXPECT_EQ(told.body, "call 1");
  EXPECT_EQ(app_.calls(), 1);
}

TEST_F(Once, ARestartedAgentKnowsWhatWasNotCommitted) {
  app_.release(404);
  const auto who = identity();
  const std::filesystem::path journal = std::filesystem::temp_directory_path() / who.agent_id.to_string();
  {
    const auto agent = start_agent(who, {}, journal);
    wait_present(who.agent_id, true);
    EXPECT_EQ(deliver(who.agent_id, attempt(1)).status, 404);
  }
  wait_present(who.agent_id, false);
  const auto agent = start_agent(who, {}, journal);
  wait_present(who.agent_id, true);
  const AgentAnswer told = deliver(who.agent_id, attempt(1));
  EXPECT_EQ(told.outcome, Outcome::rejected);
  EXPECT_EQ(told.status, 404);
  EXPECT_TRUE(told.from_journal);
  EXPECT_EQ(app_.calls(), 1);
  std::filesystem::remove(journal);
}

TEST_F(Once, OnceItIsCommittedTheAppIsAskedAgain) {
  app_.release(500);
  const auto who = identity();
  const auto agent = start_agent(who);
  wait_present(who.agent_id, true);
  EXPECT_EQ(deliver(who.agent_id, attempt(1)).status, 500);
  EXPECT_EQ(deliver(who.agent_id, attempt(2, 1)).body, "call 2") << "the relay says what it has committed";
  hub_->acknowledge(who.agent_id, delivery_, 2);
  // Behind the acknowledgement on the same loop and the same connection.
  EXPECT_EQ(deliver(who.agent_id, attempt(3)).body, "call 3");
  EXPECT_EQ(app_.calls(), 3);
}

TEST_F(Once, AnotherDeliveryIsAnotherCall) {
  app_.release();
  const auto who = identity();
  const auto agent = start_agent(who);
  wait_present(who.agent_id, true);
  deliver(who.agent_id, attempt(1));
  delivery_ = ids_.of<DeliveryId>();
  const AgentAnswer other = deliver(who.agent_id, attempt(1));
  EXPECT_FALSE(other.from_journal);
  EXPECT_EQ(app_.calls(), 2);
}

}  // namespace
}  // namespace postern::relay
