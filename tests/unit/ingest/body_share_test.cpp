#include "relay/ingest/body_share.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "ingest_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMegabyte = 1ULL << 20;

WorkspaceId nth_workspace(std::uint8_t n) {
  WorkspaceId id;
  id.uuid[0] = n;
  return id;
}

TEST(BodyShareTest, OfOneWorkspaceIsAPartOfTheQueue) {
  BodyShare share;
  std::vector<BodyShare::Answer> held;
  for (int i = 0; i < 6; ++i) {
    held.push_back(share.take(nth_workspace(1), 10 * kMegabyte));
    EXPECT_TRUE(held.back().allowed);
  }
  EXPECT_FALSE(share.take(nth_workspace(1), 10 * kMegabyte).allowed);
  EXPECT_TRUE(share.take(nth_workspace(1), BodyShare::kSmall).allowed) << "small ones are not looked at";
  EXPECT_TRUE(share.take(nth_workspace(2), 10 * kMegabyte).allowed);
  held.pop_back();
  EXPECT_TRUE(share.take(nth_workspace(1), 10 * kMegabyte).allowed) << "one is durable";
}

TEST(BodyShareTest, OneAlwaysFitsAndMayOutliveIt) {
  auto share = std::make_unique<BodyShare>();
  auto held = share->take(nth_workspace(1), 2 * BodyShare::kMost);
  EXPECT_TRUE(held.allowed);
  EXPECT_FALSE(share->take(nth_workspace(1), BodyShare::kSmall + 1).allowed);
  share.reset();
  held = {};
}

class IngestBodyShare : public Ingest {};

TEST_F(IngestBodyShare, LargeOnesThatWaitForTheStoreFillItForNobodyElse) {
  log.mode = FakeEventLog::Mode::silent;
  make_handler(1h);
  const auto large = [&](int n) { return github(std::string(10 * kMegabyte, 'x'), std::to_string(n)); };
  std::vector<std::optional<http::Response>> waiting(8);
  for (int i = 0; i < 6; ++i) start(large(i), waiting[static_cast<std::size_t>(i)]);
  start(large(6), waiting[6]);
  start(github("{}"), waiting[7]);
  io.poll();
  ASSERT_TRUE(waiting[6]);
  EXPECT_EQ(waiting[6]->status, 503);
  EXPECT_EQ(boost::json::parse(waiting[6]->body).at("code"), "store_busy");
  EXPECT_EQ(log.appended.size(), 7U) << "a small one goes on";
  EXPECT_EQ(requests("github", "store_busy"), 1);
  log.answer_held();
  io.poll();
  for (const std::size_t i : {0U, 5U, 7U}) {
    ASSERT_TRUE(waiting[i]);
    EXPECT_EQ(waiting[i]->status, 202);
  }
  log.mode = FakeEventLog::Mode::commit;
  EXPECT_EQ(ask_whole(large(8)).status, 202) << "what is durable is held no more";
}

}  // namespace
}  // namespace postern::relay
