// What distance, bulk and apps that never read cost the others, in virtual time: the same on every machine.
#include "session_path.hpp"

#include <gtest/gtest.h>

namespace postern::tunnel {
namespace {

using std::chrono::milliseconds;

constexpr double kBandwidth = 10e6;
constexpr std::size_t kBulk = 64 << 20;

/// The share of the bandwidth that `streams` bodies get in four seconds, after one second of growing.
double share(std::size_t streams, double bandwidth, SessionLimits limits = {}) {
  PathShape shape;
  shape.bytes_per_second = bandwidth;
  shape.one_way = milliseconds(50);
  shape.step = std::chrono::microseconds(500);
  SessionPath path(shape, limits, limits);
  PathApps apps(path);
  path.settle();
  const Body body = body_of_size(kBulk);
  for (std::size_t i = 0; i < streams; ++i) EXPECT_TRUE(path.relay.session.open("h", body, i));
  path.run(milliseconds(1500));
  const std::uint64_t before = apps.read_in_all();
  path.run(milliseconds(4000));
  EXPECT_FALSE(path.agent.session.ended());
  return static_cast<double>(apps.read_in_all() - before) / 4.0 / bandwidth;
}

TEST(SessionPath, AHundredMillisecondsDoNotCostOneStreamItsBandwidth) {
  EXPECT_GE(share(1, kBandwidth), 0.8);
}

TEST(SessionPath, NorSixteenStreamsSixTimesOfIt) {
  EXPECT_GE(share(16, 6 * kBandwidth), 0.8);
}

TEST(SessionPath, WithWindowsThatDoNotGrowItWould) {
  SessionLimits limits;
  limits.window_growth = 0;
  EXPECT_LT(share(1, kBandwidth, limits), 0.1) << "the test can tell the difference";
}

TEST(SessionPath, ASharedBudgetThatIsUsedUpHoldsWindowsBack) {
  SessionLimits limits;
  limits.budget = std::make_shared<ByteBudget>(100'000);
  EXPECT_LT(share(1, kBandwidth, limits), 0.2);
  EXPECT_EQ(limits.budget->taken(), 0U) << "all of it is back when the sessions have gone";
}

/// How long each of some small deliveries takes, one after the other, beside what `prepare` has begun.
std::vector<Duration> small_ones(const std::function<void(SessionPath&)>& prepare, Duration settle) {
  PathShape shape;
  shape.one_way = milliseconds(5);
  shape.bytes_per_second = kBandwidth;
  SessionPath path(shape, {}, {});
  PathApps apps(path);
  path.settle();
  prepare(path);
  path.run(settle);
  std::vector<Duration> took;
  for (int i = 0; i < 50; ++i) {
    const SteadyTime begun = path.now;
    const auto stream = path.relay.session.open("small", body_of_size(1024), 1);
    EXPECT_TRUE(stream);
    EXPECT_TRUE(path.run_until([&] { return apps.finished(*stream); }, std::chrono::seconds(5)));
    took.push_back(apps.took(*stream, begun));
  }
  return took;
}

TEST(SessionPath, AppsThatNeverReadCostTheOthersNothing) {
  const auto alone = small_ones([](SessionPath&) {}, milliseconds(2000));
  const auto beside = small_ones(
      [](SessionPath& path) {
        for (int i = 0; i < 60; ++i)
          EXPECT_TRUE(path.relay.session.open(std::string(PathApps::kNeverReads), body_of_size(1 << 20), 2));
      },
      milliseconds(2000));
  for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_LE(beside[i] - alone[i], milliseconds(0)) << i;
}

TEST(SessionPath, NorDoTheyCostABulkStreamItsBandwidth) {
  PathShape shape;
  shape.one_way = milliseconds(5);
  SessionPath path(shape, {}, {});
  PathApps apps(path);
  path.settle();
  for (int i = 0; i < 60; ++i)
    EXPECT_TRUE(path.relay.session.open(std::string(PathApps::kNeverReads), body_of_size(1 << 20), 2));
  path.run(std::chrono::seconds(2));
  EXPECT_TRUE(path.relay.session.open("bulk", body_of_size(kBulk), 2));
  path.run(std::chrono::seconds(2));
  EXPECT_GE(static_cast<double>(apps.read_in_all()), 2 * 0.9 * kBandwidth);
}

TEST(SessionPath, ManyBulkStreamsToOneTargetDoNotHoldUpAnother) {
  const auto alone = small_ones([](SessionPath&) {}, milliseconds(500));
  const auto beside = small_ones(
      [](SessionPath& path) {
        const Body body = body_of_size(kBulk);
        for (int i = 0; i < 50; ++i) EXPECT_TRUE(path.relay.session.open("bulk", body, 2));
      },
      milliseconds(500));
  // What waits in the kernel (32 KiB and the batch that went over it) is in front, and nothing else.
  const Duration kernel = std::chrono::microseconds(6'800);
  for (std::size_t i = 0; i < alone.size(); ++i) EXPECT_LE(beside[i] - alone[i], kernel) << i;
}

}  // namespace
}  // namespace postern::tunnel
