#include "tests/unit/replay/replay_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

/// A step under the current configuration, with decisions given by hand.
class CurrentTest : public ReplayFixture {
 protected:
  Replay begin_current(ReplayFilter filter = {}) {
    return begin(std::move(filter), 1000, ReplayConfiguration::current);
  }
  std::vector<Ahead> ahead(ReplayId id) {
    return read([&](Transaction& tx) { return replay_ahead(tx, {id, workspace}, {}, clock.now()); });
  }
  static NewDelivery with_payload(std::string body) {
    NewDelivery decided;
    decided.payload = std::make_shared<const Payload>(Payload{std::move(body), {{"Content-Type", "a/b"}}});
    decided.order_key = 7;
    return decided;
  }
  /// As it was decided for the route that is there.
  static Decision as_routed(std::optional<NewDelivery> delivery) {
    return {RouteBasis{"", "t", Ordering::none, ""}, std::move(delivery)};
  }
  static NewDelivery failed() {
    NewDelivery decided;
    decided.decided = Admission{DeliveryState::dead, "transform_failed: again"};
    return decided;
  }
  void SetUp() override {
    ReplayFixture::SetUp();
    change(
        "INSERT INTO route (id, workspace_id, source_id, destination_id, enabled, created_at, filter, "
        "transform) VALUES (?1, ?2, ?3, ?4, 1, 0, '', 't')",
        {rows::id(ids.of<RouteId>()), rows::id(workspace), rows::id(source.id), rows::id(destination.id)});
  }
  void change(const std::string& sql, std::vector<Value> values = {}) {
    EXPECT_TRUE(write_void([&](Transaction& tx) -> Result<void> {
      auto done = tx.execute(sql, values);
      return done ? Result<void>() : std::unexpected(done.error());
    }));
  }
  std::uint64_t count(ReplayConfiguration configuration, std::string reason = "") {
    ReplayFilter filter{.reason = std::move(reason)};
    filter.until = clock.now() + 1s;
    return read([&](Transaction& tx) { return ReplayRepository(tx).count(workspace, filter, configuration); })
        .matching;
  }
};

ENGINES(CurrentTest);

TEST_P(CurrentTest, FindsWhatProgramsSettledByTheStartOfTheReason) {
  ended(2, DeliveryState::dead, "push", "transform_failed: no key: \u00e9");
  ended(1, DeliveryState::dead, "push", "transform_failed_too");
  ended(4, DeliveryState::dead, "push", "http_500");
  EXPECT_EQ(count(ReplayConfiguration::current), 7U);
  EXPECT_EQ(count(ReplayConfiguration::original), 4U);
  EXPECT_EQ(count(ReplayConfiguration::current, "transform_failed"), 2U);
  EXPECT_EQ(count(ReplayConfiguration::current, "transform_failed: no key"), 2U);
  EXPECT_EQ(count(ReplayConfiguration::current, "transform_failed: no key: \u00e9"), 2U);
  EXPECT_EQ(count(ReplayConfiguration::current, "transform_failed: no"), 0U);
  EXPECT_EQ(count(ReplayConfiguration::current, "http_500"), 4U);
}

TEST_P(CurrentTest, MakesWhatWasDecided) {
  const auto dead = ended(3, DeliveryState::dead);
  const Replay replay = begin_current();
  Decisions decisions;
  decisions.made[dead[0]] = as_routed(with_payload("new"));
  decisions.made[dead[1]] = as_routed(failed());
  decisions.made[dead[2]] = as_routed(std::nullopt);
  EXPECT_EQ(step(replay.id, std::string(16, 'a'), decisions).value(), 2U);
  const Replay after = get(replay.id);
  EXPECT_EQ(after.made, 2U);
  EXPECT_EQ(after.skipped_unrouted, 1U);
  for (const Delivery& made : made_by(replay.id)) {
    if (made.replay_of == dead[0]) {
      EXPECT_EQ(made.state, DeliveryState::pending);
      const auto sent =
          read([&](Transaction& tx) { return DeliveryRepository(tx).payload(workspace, made.id); });
      ASSERT_TRUE(sent);
      EXPECT_EQ(sent->body, "new");
      EXPECT_EQ(sent->headers.at(0).value, "a/b");
    } else {
      EXPECT_EQ(made.replay_of, dead[1]);
      EXPECT_EQ(made.state, DeliveryState::dead);
      EXPECT_EQ(made.reason, "transform_failed: again");
    }
  }
  EXPECT_EQ(number("SELECT order_key FROM delivery WHERE payload IS NOT NULL"), 7);
  EXPECT_TRUE(step(replay.id));
  EXPECT_EQ(get(replay.id).failed, 1U) << "what programs have ended is over at once";
  EXPECT_EQ(get(replay.id).open(), 1U);
}

TEST_P(CurrentTest, StopsBeforeTheFirstThatWasNotAskedAbout) {
  const auto dead = ended(3, DeliveryState::dead);
  const Replay replay = begin_current();
  EXPECT_EQ(step(replay.id).value(), 0U);
  EXPECT_LE(get(replay.id).next_step_at, clock.now()) << "they are asked about at once";
  Decisions decisions;
  decisions.made[dead[0]] = as_routed(NewDelivery{});
  decisions.made[dead[2]] = as_routed(NewDelivery{});
  EXPECT_EQ(step(replay.id, std::string(16, 'a'), decisions).value(), 1U);
  EXPECT_EQ(get(replay.id).cursor, dead[0]);
  EXPECT_FALSE(get(replay.id).walked);
  decisions.made.erase(dead[2]);
  decisions.waits_for = "programs_busy";
  EXPECT_EQ(step(replay.id, std::string(16, 'a'), decisions).value(), 0U);
  EXPECT_GT(get(replay.id).next_step_at, clock.now());
  EXPECT_EQ(get(replay.id).error, "programs_busy");
  decisions.made[dead[1]] = decisions.made[dead[2]] = as_routed(NewDelivery{});
  EXPECT_EQ(step(replay.id, std::string(16, 'a'), decisions).value(), 2U);
  EXPECT_EQ(get(replay.id).error, "");
}

TEST_P(CurrentTest, ADecisionCountsOnlyWhileTheRouteAndTheOrderAreTheSame) {
  const auto dead = ended(1, DeliveryState::dead);
  const Replay replay = begin_current();
  Decisions decisions;
  decisions.made[dead[0]] = as_routed(NewDelivery{});
  const auto made = [&] { return step(replay.id, std::string(16, 'a'), decisions).value(); };
  for (const auto& [change_it, undo] : std::vector<std::pair<std::string, std::string>>{
           {"UPDATE route SET transform = 'u'", "UPDATE route SET transform = 't'"},
           {"UPDATE route SET enabled = 0", "UPDATE route SET enabled = 1"},
           {"UPDATE destination SET ordering = 1", "UPDATE destination SET ordering = 0"}}) {
    change(change_it);
    EXPECT_EQ(made(), 0U) << change_it;
    EXPECT_LE(get(replay.id).next_step_at, clock.now()) << "it is asked about anew, at once";
    change(undo);
  }
  decisions.made[dead[0]] = {};  // as if there were no route
  EXPECT_EQ(made(), 0U);
  EXPECT_EQ(get(replay.id).skipped_unrouted, 0U);
  decisions.made[dead[0]] = as_routed(NewDelivery{});
  EXPECT_EQ(made(), 1U);
}

TEST_P(CurrentTest, OneThatWasRepeatedSinceItWasAskedAboutIsLeftOut) {
  const auto dead = ended(2, DeliveryState::dead);
  const Replay replay = begin_current();
  Decisions decisions;
  for (const DeliveryId& id : dead) decisions.made[id] = as_routed(NewDelivery{});
  ASSERT_TRUE(write<DeliveryId>(
      [&](Transaction& tx) { return DeliveryRepository(tx).retry(workspace, dead[0], ids, clock.now()); }));
  EXPECT_EQ(step(replay.id, std::string(16, 'a'), decisions).value(), 1U);
  EXPECT_EQ(made_by(replay.id).at(0).replay_of, dead[1]);
}

TEST_P(CurrentTest, LooksAheadInOrderWithinItsBounds) {
  const auto dead = ended(60, DeliveryState::dead);
  ended(5, DeliveryState::delivered);
  const Replay replay = begin_current();
  const auto found = ahead(replay.id);
  ASSERT_EQ(found.size(), 50U);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].id, dead[i]);
  EXPECT_EQ(found.front().destination_id, destination.id);
  EXPECT_EQ(found.front().event->source_id, source.id);
  EXPECT_EQ(found.front().event->body.size(), 8U);
  EXPECT_EQ(ahead(begin({}, 1).id).size(), 2U) << "no further than its rate goes";
  EXPECT_TRUE(read([&](Transaction& tx) {
                return replay_ahead(tx, {replay.id, ids.of<WorkspaceId>()}, {}, clock.now());
              }).empty())
      << "another workspace's";
}

TEST_P(CurrentTest, LooksAheadNoFurtherThanTheirBodiesMayWeigh) {
  for (int i = 0; i < 4; ++i) {
    Event event = make_event(workspace, source.id, fmt::format("large{}", i));
    event.body.assign(5 * 1024 * 1024, 'x');
    ASSERT_TRUE(append(with_deliveries(std::move(event), {destination.id})));
  }
  end_leased(DeliveryState::dead, "http_500");
  EXPECT_EQ(ahead(begin_current().id).size(), 1U);
}

}  // namespace
}  // namespace postern::relay
