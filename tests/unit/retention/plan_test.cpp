#include "relay/retention/plan.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

const Time kNow = from_micros(1'800'000'000'000'000);
const Retention kSetting{days(30), days(90), days(60)};

Workspace workspace(RetentionOverrides own = {}) {
  static SystemClock clock;
  static SystemRandom random;
  static IdGenerator ids{clock, random};
  return {.id = ids.of<WorkspaceId>(), .name = "w", .created_at = {}, .retention = own};
}

std::optional<Time> before(const std::vector<RetentionJob>& plan, const Workspace& of, Retained what) {
  for (const RetentionJob& job : plan) {
    if (job.workspace_id == of.id && job.what == what) return job.before;
  }
  return std::nullopt;
}

TEST(RetentionPlan, EachWorkspaceHasItsOwnTimes) {
  const Workspace all[] = {workspace(), workspace({.bodies = days(1), .events = days(7)})};
  const auto plan = retention_plan(kSetting, all, false, kNow);
  EXPECT_EQ(before(plan, all[0], Retained::bodies), kNow - days(30));
  EXPECT_EQ(before(plan, all[0], Retained::events), kNow - days(90));
  EXPECT_EQ(before(plan, all[0], Retained::attempts), kNow - days(60));
  EXPECT_EQ(before(plan, all[1], Retained::bodies), kNow - days(1));
  EXPECT_EQ(before(plan, all[1], Retained::events), kNow - days(7));
  EXPECT_EQ(before(plan, all[1], Retained::attempts), std::nullopt);  // they go with their events
}

TEST(RetentionPlan, ZeroIsForEver) {
  const Workspace all[] = {
      workspace({.bodies = Duration(0), .events = Duration(0), .attempts = Duration(0)})};
  EXPECT_TRUE(retention_plan(kSetting, all, false, kNow).empty());
  EXPECT_TRUE(retention_plan(kSetting, all, true, kNow).empty());
}

TEST(RetentionPlan, TheLongestCountsForWholeDays) {
  const Workspace all[] = {workspace(), workspace({.events = days(365), .attempts = Duration(0)})};
  EXPECT_EQ(longest(kSetting, all), (Retention{days(30), days(365), Duration(0)}));
  EXPECT_EQ(longest(kSetting, {}), kSetting);
}

TEST(RetentionPlan, WhereDaysAreDroppedOnlyShorterTimesAreRemovedByThemselves) {
  const Workspace all[] = {workspace(), workspace({.events = days(10), .attempts = days(5)})};
  const auto plan = retention_plan(kSetting, all, true, kNow);
  EXPECT_EQ(before(plan, all[0], Retained::events), kNow - days(92));
  EXPECT_EQ(before(plan, all[0], Retained::attempts), std::nullopt);
  EXPECT_EQ(before(plan, all[1], Retained::events), kNow - days(10));
  EXPECT_EQ(before(plan, all[1], Retained::attempts), kNow - days(5));
}

}  // namespace
}  // namespace postern::relay
