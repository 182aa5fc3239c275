// A hand-over that succeeds, and what the two processes tell each other.
#include "upgrade_world.hpp"

namespace postern::relay {
namespace {

using agent::HandoverType;

TEST_F(Upgrade, TheRelaySeesAMoveAndCallsGoOn) {
  app_.hold(true);
  auto slow = ask_later();
  app_.wait_for_calls(1);
  upgrade();
  wait_sessions(2);
  app_.hold(false);
  EXPECT_EQ(slow.get().body, "ok");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(), "ok");
  EXPECT_TRUE(before_->has_ended());
  EXPECT_EQ(app_.calls(), 21);
  EXPECT_EQ(dir_.running(), std::to_string(::getpid()));
}

TEST_F(Upgrade, NoDeliveryNotices) {
  std::atomic<bool> enough{false};
  std::atomic<int> asked{0};
  auto asking = std::async(std::launch::async, [&] {
    for (; !enough; ++asked) EXPECT_EQ(ask(), "ok");
  });
  upgrade();
  EXPECT_TRUE(before_->has_ended());
  enough = true;
  asking.get();
  EXPECT_EQ(app_.calls(), asked);
}

TEST_F(Upgrade, ASuccessorHearsWhatTheRelayHasCommitted) {
  const AgentRequest request = request_to(app_.port());
  EXPECT_EQ(deliver(who_.agent_id, request).body, "ok");
  hub_->acknowledge(who_.agent_id, request.delivery_id, 1);
  wait_until([this] { return before_->committed() == 1; });
  std::promise<std::size_t> acks;
  next([&](int socket) {
    say(socket, HandoverType::ready);
    std::size_t count = 0;
    for (const auto& frame : heard_until(socket, HandoverType::handed)) {
      if (frame.type == HandoverType::acked) count += agent::decode_acks(frame.payload).value().size();
    }
    acks.set_value(count);
    ::close(socket);
  });
  before_->give_place();
  EXPECT_EQ(acks.get_future().get(), 1U);
}

TEST_F(Upgrade, ARotationThatIsAskedForDuringAFailedUpgradeIsMade) {
  next([this](int socket) {
    ask_rotation();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    ::close(socket);
  });
  before_->give_place();
  wait_audit("agent.secret_rotated");
}

TEST_F(Upgrade, ARotationThatIsAskedForDuringAnUpgradeIsMadeByTheSuccessor) {
  next([this](int socket) {
    ask_rotation();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    succeed(socket);
  });
  before_->give_place();
  wait_audit("agent.secret_rotated");
  EXPECT_TRUE(before_->has_ended());
  EXPECT_EQ(ask(), "ok");
}

// However many upgrades fail, the next login here shows the last generation that the relay knows of.
TEST_F(Upgrade, WhoGoesOnKnowsTheLoginsOfItsSuccessor) {
  next([](int socket) {
    say(socket, HandoverType::logged_in, agent::encode_generation(1000));
    ::close(socket);
  });
  before_->give_place();
  wait_until([this] { return !before_->failed_upgrade().empty(); });
  EXPECT_EQ(dir_.identity()->generation, 1000U);
}

}  // namespace
}  // namespace postern::relay
