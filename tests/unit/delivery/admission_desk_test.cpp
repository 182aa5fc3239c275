#include "relay/delivery/admission_desk.hpp"

#include <gtest/gtest.h>

#include "tests/unit/delivery/queue_fixtures.hpp"

namespace postern::relay {
namespace {

const auto kOne = nth<DestinationId>(1);
const auto kTwo = nth<DestinationId>(2);

struct AdmissionDeskTest : testing::Test {
  void add(DestinationId id, QueueMode mode) { desk.add(id, mode, std::make_shared<QueueGauges>()); }
  DeliveryState admit(DestinationId id, std::size_t bytes = 10) { return desk.admit(id, bytes).state; }
  void release(DestinationId id, std::size_t bytes = 10) {
    const LeaseEnd end{id, bytes};
    desk.release({&end, 1});
  }
  AdmissionDesk desk{{.deliveries = 8, .bytes = 1000, .deliveries_each = 100}};
};

TEST_F(AdmissionDeskTest, AnswersByMode) {
  EXPECT_EQ(admit(kOne), DeliveryState::pending) << "unknown";
  EXPECT_TRUE(desk.take_spills().unknown);
  add(kOne, QueueMode::direct);
  EXPECT_EQ(admit(kOne), DeliveryState::leased);
  EXPECT_FALSE(desk.take_spills().any);
  desk.set_mode(kOne, QueueMode::draining);
  EXPECT_EQ(admit(kOne), DeliveryState::pending);
  desk.set_mode(kOne, QueueMode::away);
  EXPECT_EQ(desk.admit(kOne, 1).reason, "agent_away");
  desk.set_mode(kOne, QueueMode::disabled);
  const Admission admission = desk.admit(kOne, 1);
  EXPECT_EQ(admission.reason, "destination_disabled");
  EXPECT_EQ(admission.state, DeliveryState::parked);
  EXPECT_TRUE(desk.take_spills().any);
  desk.set_mode(kOne, QueueMode::broken);
  EXPECT_EQ(desk.admit(kOne, 1).reason, "breaker_open");
}

TEST_F(AdmissionDeskTest, WhatIsInOrderIsNeverLeasedAndItsDestinationIsTold) {
  EXPECT_EQ(desk.admit(kOne, 1, 7).state, DeliveryState::pending) << "unknown";
  EXPECT_TRUE(desk.take_spills().unknown);
  add(kOne, QueueMode::direct);
  EXPECT_EQ(desk.admit(kOne, 1, 7).state, DeliveryState::pending);
  EXPECT_EQ(desk.admit(kOne, 1).state, DeliveryState::leased) << "others are not held up by it";
  EXPECT_TRUE(desk.take_spills().in_order.contains(kOne));
  EXPECT_TRUE(desk.open(kOne, 0)) << "a claim of those in no order has missed none";
  desk.set_mode(kOne, QueueMode::away);
  EXPECT_EQ(desk.admit(kOne, 1, 7).reason, "agent_away");
  EXPECT_TRUE(desk.take_spills().in_order.empty()) << "it asks when it is back";
  desk.set_first_wait(kOne, std::chrono::seconds(5));
  const Admission waits = desk.admit(kOne, 1, 7);
  EXPECT_EQ(waits.state, DeliveryState::pending);
  EXPECT_EQ(waits.wait, std::chrono::seconds(5));
}

TEST_F(AdmissionDeskTest, AWorkspaceOfManyLeavesRoomForTheOthers) {
  AdmissionDesk big{{.deliveries = 400, .bytes = 1'000'000, .deliveries_each = 1'000}};
  std::size_t held = 0;
  for (std::uint64_t n = 1; n <= 200; ++n) {
    big.add(nth<DestinationId>(n), QueueMode::direct, nullptr, nth<WorkspaceId>(1));
    while (big.admit(nth<DestinationId>(n), 1).state == DeliveryState::leased) ++held;
  }
  EXPECT_EQ(held, big.leased());
  EXPECT_EQ(held, 350U) << "an eighth is left, however many they are";
  const auto other = nth<DestinationId>(1'000);
  big.add(other, QueueMode::direct, nullptr, nth<WorkspaceId>(2));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(big.admit(other, 1).state, DeliveryState::leased);
  EXPECT_EQ(big.reserve(nth<DestinationId>(1), 100, 1, 0), 0U) << "nor by a claim";
}

TEST_F(AdmissionDeskTest, AWorkspacesAccountEndsWithItsLeases) {
  AdmissionDesk big{{.deliveries = 8, .bytes = 1'000, .deliveries_each = 100}};
  for (int round = 0; round < 100; ++round) {
    for (std::uint64_t n = 1; n <= 3; ++n) {
      big.add(nth<DestinationId>(n), QueueMode::direct, nullptr, nth<WorkspaceId>(1));
      ASSERT_EQ(big.admit(nth<DestinationId>(n), 10).state, DeliveryState::leased) << "round " << round;
    }
    const LeaseEnd ends[] = {
        {nth<DestinationId>(1), 10}, {nth<DestinationId>(2), 10}, {nth<DestinationId>(3), 10}};
    if (round % 2 == 0) big.remove(nth<DestinationId>(3));
    big.release(ends);
    ASSERT_EQ(big.leased(), 0U);
  }
}

TEST_F(AdmissionDeskTest, AFirstWaitKeepsItOutOfHandOver) {
  desk.add(kOne, QueueMode::direct, nullptr);
  desk.set_first_wait(kOne, std::chrono::seconds(5));
  const Admission admission = desk.admit(kOne, 1);
  EXPECT_EQ(admission.state, DeliveryState::pending);
  EXPECT_EQ(admission.wait, std::chrono::seconds(5));
  EXPECT_EQ(desk.leased(), 0U);
  EXPECT_TRUE(desk.take_spills().delayed) << "somebody has to set the alarm";
  desk.set_first_wait(kOne, {});
  EXPECT_EQ(admit(kOne), DeliveryState::leased);
}

TEST_F(AdmissionDeskTest, AFullOneDrainsFromThenOnAndLeavesRoomForOthers) {
  add(kOne, QueueMode::direct);
  add(kTwo, QueueMode::direct);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(admit(kOne), DeliveryState::leased);
  EXPECT_EQ(admit(kOne), DeliveryState::pending);
  EXPECT_EQ(desk.take_spills().overflowed, std::vector{kOne});
  release(kOne);
  EXPECT_EQ(admit(kOne), DeliveryState::pending) << "a newer one must not overtake";
  EXPECT_EQ(admit(kTwo), DeliveryState::leased);
}

TEST_F(AdmissionDeskTest, BytesAreBoundedAsWell) {
  add(kOne, QueueMode::direct);
  EXPECT_EQ(admit(kOne, 5000), DeliveryState::leased)
      << "one is always let in, or it could never be delivered";
  EXPECT_EQ(admit(kOne, 1), DeliveryState::pending);
}

TEST_F(AdmissionDeskTest, OpeningTellsWhetherAnythingWasSpilledSinceTheMark) {
  add(kOne, QueueMode::draining);
  const auto mark = desk.spilled(kOne);
  EXPECT_EQ(admit(kOne), DeliveryState::pending);
  EXPECT_FALSE(desk.open(kOne, mark));
  EXPECT_EQ(admit(kOne), DeliveryState::leased) << "open all the same";
  EXPECT_TRUE(desk.open(kOne, desk.spilled(kOne)));
}

TEST_F(AdmissionDeskTest, ClaimsTakeRoomAndGiveItBack) {
  add(kOne, QueueMode::draining);
  EXPECT_EQ(desk.reserve(kOne, 100, 1, 0), 8U);
  EXPECT_EQ(desk.reserve(kOne, 100, 1, 0), 0U);
  EXPECT_EQ(desk.reserve(kOne, 100, 1, 3), 3U) << "the least is granted over the bounds";
  desk.unreserve(kOne, 11);
  EXPECT_EQ(desk.leased(), 0U);
  EXPECT_EQ(desk.reserve(kOne, 100, 400, 0), 2U) << "1000 bytes hold two of 400";
  desk.unreserve(kOne, 2);
  EXPECT_EQ(desk.reserve_any(100, 1), 8U);
  desk.unreserve_any(7);
  desk.attribute(kOne, 10);
  EXPECT_EQ(desk.view(kOne)->leased, 1U);
  release(kOne);
  EXPECT_EQ(desk.leased(), 0U);
}

TEST_F(AdmissionDeskTest, AClosedOneLeasesNothing) {
  add(kOne, QueueMode::direct);
  desk.close();
  EXPECT_EQ(admit(kOne), DeliveryState::pending);
}

TEST_F(AdmissionDeskTest, ADeletedOnesLeasesStillEnd) {
  add(kOne, QueueMode::direct);
  EXPECT_EQ(admit(kOne), DeliveryState::leased);
  desk.remove(kOne);
  EXPECT_FALSE(desk.view(kOne));
  release(kOne);
  EXPECT_EQ(desk.leased(), 0U);
}

}  // namespace
}  // namespace postern::relay
