#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

/// What must stay fast beside millions of finished rows may never scan a table or sort one.
class QueryPlanTest : public StoreTest {
 protected:
  std::string plan(const std::string& sql) {
    return read([&](Transaction& tx) {
      std::string text;
      tx.query("EXPLAIN QUERY PLAN " + sql, {},
               [&](const Row& row) { text += std::string(row.text(3)) + "\n"; });
      return text;
    });
  }
  void expect_uses(const std::string& index, const std::string& sql) {
    const std::string text = plan(sql);
    EXPECT_NE(text.find(index), std::string::npos) << sql << "\n" << text;
    EXPECT_EQ(text.find("TEMP B-TREE"), std::string::npos) << sql << "\n" << text;
    EXPECT_EQ(text.find("SCAN delivery\n"), std::string::npos) << sql << "\n" << text;
    EXPECT_EQ(text.find("SCAN event\n"), std::string::npos) << sql << "\n" << text;
  }
};

TEST_F(QueryPlanTest, ClaimingWalksThePartialIndexes) {
  expect_uses(
      "COVERING INDEX delivery_pending",
      "SELECT next_at, row FROM delivery INDEXED BY delivery_pending WHERE state = 0 AND order_key = 0 AND "
      "destination_id = ?1 AND next_at <= ?2 ORDER BY next_at, row");
  expect_uses("COVERING INDEX delivery_pending",
              "SELECT destination_id FROM delivery INDEXED BY delivery_pending WHERE state = 0 AND "
              "destination_id > ?1 "
              "ORDER BY destination_id LIMIT 1");
  expect_uses("COVERING INDEX delivery_parked",
              "SELECT row FROM delivery INDEXED BY delivery_parked WHERE state = 2 AND order_key = 0 AND "
              "destination_id = ?1 AND ?3 IS NOT NULL ORDER BY row LIMIT ?2");
}

TEST_F(QueryPlanTest, ALookAlongTheKeysReadsTheIndexOnly) {
  expect_uses("COVERING INDEX delivery_in_order",
              "SELECT order_key FROM delivery INDEXED BY delivery_in_order WHERE destination_id = ?1 AND "
              "order_key > ?2 AND order_key <> 0 AND state <= 2 ORDER BY order_key LIMIT 1");
  expect_uses("COVERING INDEX delivery_leased",
              "SELECT 1 FROM delivery INDEXED BY delivery_leased WHERE state = 1 AND destination_id = ?1 AND "
              "order_key = ?2 LIMIT 1");
  expect_uses(
      "INDEX delivery_in_order",
      "SELECT row, state, next_at, tries FROM delivery INDEXED BY delivery_in_order WHERE "
      "destination_id = ?1 AND order_key = ?2 AND order_key <> 0 AND state <= 2 ORDER BY id LIMIT ?3");
}

TEST_F(QueryPlanTest, RecoveringAndCancellingReadOnlyOpenOnes) {
  expect_uses("delivery_leased", "UPDATE delivery SET state = 0, next_at = min(next_at, ?1) WHERE state = 1");
  expect_uses("delivery_pending", "UPDATE delivery SET state = 5 WHERE destination_id = ?1 AND state = 0");
  expect_uses("delivery_leased", "UPDATE delivery SET state = 5 WHERE destination_id = ?1 AND state = 1");
  expect_uses("delivery_parked", "UPDATE delivery SET state = 5 WHERE destination_id = ?1 AND state = 2");
}

TEST_F(QueryPlanTest, CompletingGoesStraightToTheRow) {
  expect_uses("INTEGER PRIMARY KEY",
              "UPDATE delivery SET state = ?4 WHERE row = ?1 AND state = 1 AND lease = ?2");
}

TEST_F(QueryPlanTest, ListingsFollowTheirIndex) {
  const std::string tail = " AND e.received_at <= ?2 ORDER BY e.received_at DESC, e.row DESC LIMIT 51";
  expect_uses("event_by_time", "SELECT e.id FROM event e WHERE e.workspace_id = ?1" + tail);
  expect_uses("event_by_source",
              "SELECT e.id FROM event e WHERE e.workspace_id = ?1 AND e.source_id = ?3" + tail);
  expect_uses("event_by_type",
              "SELECT e.id FROM event e WHERE e.workspace_id = ?1 AND e.type <> '' AND e.type = ?3" + tail);
  expect_uses("delivery_by_id",
              "SELECT d.row FROM delivery d WHERE d.workspace_id = ?1 AND d.id < ?2 "
              "ORDER BY d.id DESC LIMIT ?3");
  expect_uses(
      "delivery_by_destination",
      "SELECT d.row FROM delivery d WHERE d.workspace_id = ?1 AND d.id < ?2 AND d.destination_id = x'00' "
      "ORDER BY d.id DESC LIMIT ?3");
}

TEST_F(QueryPlanTest, ReplaysAndRetentionWalkTheirIndex) {
  expect_uses(
      "delivery_dead",
      "SELECT id, event_row FROM delivery WHERE workspace_id = ?1 AND state = 4 AND id > ?2 AND id < ?3 "
      "ORDER BY id LIMIT ?4");
  expect_uses("delivery_by_event",
              "SELECT 1 FROM delivery n WHERE n.event_row = ?1 AND n.replay_of = ?2 LIMIT 1");
  expect_uses(
      "replay_running",
      "SELECT id FROM replay WHERE state = 0 AND next_step_at <= ?1 AND (runner = ?2 OR claimed_until <= ?1) "
      "ORDER BY next_step_at LIMIT ?3");
  expect_uses("r USING PRIMARY KEY (replay_id=?)",
              "SELECT coalesce(d.state, 5) FROM replay_open r LEFT JOIN delivery d ON d.workspace_id = "
              "r.workspace_id "
              "AND d.id = r.delivery_id WHERE r.replay_id = ?1");
  expect_uses(
      "event_by_time",
      "SELECT e.received_at, e.row FROM event e WHERE e.workspace_id = ?1 AND e.received_at >= ?2 AND "
      "e.received_at < ?4 AND (e.received_at > ?2 OR e.row > ?3) ORDER BY e.received_at, e.row LIMIT 200");
  expect_uses(
      "retention_kept_by_look",
      "SELECT row FROM retention_kept WHERE workspace_id = ?1 AND what = ?2 AND looked_at <= ?3 ORDER BY "
      "looked_at LIMIT 50");
}

TEST_F(QueryPlanTest, AClaimStaysFastBesideManyFinishedOnes) {
  const Source source = make_source(workspace, "a");
  const auto destination = make_destination(workspace, "d").id;
  ASSERT_TRUE(append(workspace, source.id, "k", {destination}));
  // A hundred thousand that are through, and as many of another destination that are due but may not be
  // taken.
  const auto blocked = make_destination(workspace, "slow").id;
  ASSERT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
    for (const auto& [to, state] : {std::pair{destination, 3}, std::pair{blocked, 0}}) {
      auto made = tx.execute(
          "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 100000) "
          "INSERT INTO delivery (id, workspace_id, event_row, source_id, destination_id, state, reason, "
          "attempt_count, "
          "tries, lease, next_at, created_at, updated_at) "
          "SELECT randomblob(16), ?1, 1, ?2, ?3, ?4, '', 0, 0, 0, x, 0, 0 FROM n",
          {Blob{std::string(workspace.bytes())}, Blob{std::string(source.id.bytes())},
           Blob{std::string(to.bytes())}, std::int64_t{state}});
      if (!made) return std::unexpected(made.error());
    }
    return {};
  }));
  const auto began = std::chrono::steady_clock::now();
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(claim_due(100, {blocked}).empty());
  // A scan of either hundred thousand takes more than this for each of the hundred claims.
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(1));
  EXPECT_EQ(claim_due(100).size(), 100U);
}

}  // namespace
}  // namespace postern::relay
