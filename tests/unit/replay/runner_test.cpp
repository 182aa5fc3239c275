#include "relay/replay/runner.hpp"

#include <boost/asio/io_context.hpp>

#include <thread>

#include "tests/unit/replay/replay_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

class RunnerTest : public ReplayFixture {
 protected:
  RunnerTest() { pool_options.evaluator.command.path = POSTERN_ROUTE_WORKER; }

  RunnerParts parts() {
    if (!programs) programs = std::make_unique<ProgramPool>(pool_options, metrics);
    return {.loop = loop.get_executor(),
            .database = *store->database,
            .catalog = catalog,
            .routes = CurrentRoutes({*programs, ids}),
            .refresh = [this] { return refresh(); },
            .ids = ids,
            .clock = clock,
            .wake = [] {},
            .shedding = &shedding};
  }
  boost::asio::awaitable<Result<void>> refresh() {
    ++refreshes;
    if (fault) throw std::bad_alloc();
    if (blocked) co_await blocked->async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
    if (store_away) co_return fail("store_down", "away");
    catalog.replace(read([&](Transaction& tx) { return load_catalog(tx, store->keyring); }));
    co_return Result<void>();
  }
  Route make_route(std::string filter, std::string transform) {
    Route route;
    route.id = ids.of<RouteId>();
    route.workspace_id = workspace;
    route.source_id = source.id;
    route.destination_id = destination.id;
    route.created_at = clock.now();
    route.filter = std::move(filter);
    route.transform = std::move(transform);
    EXPECT_TRUE(write_void([&](Transaction& tx) { return RouteRepository(tx).create(route); }));
    return route;
  }
  /// Runs one until it has ended all that it made.
  Replay run(ReplayId id) {
    ReplayRunner runner(parts(), {.runner = std::string(16, 'a')});
    runner.start();
    EXPECT_TRUE(runs_until([&] {
      end_made(DeliveryState::delivered);
      return state(id) != ReplayState::running;
    }));
    runner.stop();
    loop.run();
    return get(id);
  }
  ReplayState state(ReplayId id) { return get(id).state; }
  std::string body_of(const Delivery& delivery) {
    const auto payload =
        read([&](Transaction& tx) { return DeliveryRepository(tx).payload(workspace, delivery.id); });
    return payload ? payload->body : std::string("as it came");
  }
  double put_off() {
    for (const auto& family : metrics.Collect()) {
      if (family.name != "postern_shed_total") continue;
      for (const auto& metric : family.metric) {
        if (metric.label.at(0).value == "replays") return metric.counter.value;
      }
    }
    return -1;
  }
  template <class Predicate>
  bool runs_until(Predicate holds) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (!holds()) {
      if (std::chrono::steady_clock::now() > limit) return false;
      loop.run_for(1ms);
      loop.restart();
    }
    return true;
  }

  prometheus::Registry metrics;
  Shedding shedding{metrics};
  CatalogHolder catalog;
  ProgramPoolOptions pool_options;
  std::unique_ptr<ProgramPool> programs;
  int refreshes = 0;
  bool store_away = false;
  bool fault = false;
  std::optional<boost::asio::steady_timer> blocked;
};

TEST_P(RunnerTest, NoStepIsMadeWhileTheLoadHoldsReplaysBack) {
  shedding.set(LoadLevel::no_replays);
  ReplayRunner runner(parts(), {.runner = std::string(16, 'a')});
  const ReplayId id = begin().id;
  runner.start();
  EXPECT_TRUE(runs_until([&] { return put_off() >= 2; }));
  EXPECT_EQ(state(id), ReplayState::running);
  shedding.set(LoadLevel::no_reads);
  EXPECT_TRUE(runs_until([&] { return state(id) == ReplayState::done; }));
  runner.stop();
  loop.run();
}

TEST_P(RunnerTest, TheCurrentConfigurationRunsTheRoutesAsTheyAreNow) {
  const Route route = make_route("", ".nothing | error");
  ended(120, DeliveryState::dead, "push", "transform_failed: null");
  ASSERT_TRUE(write_void([&](Transaction& tx) {
    Route mended = route;
    mended.transform = "{type: .event.type}";
    return RouteRepository(tx).update(mended);
  }));
  const Replay done = run(begin({.reason = "transform_failed"}, 1000, ReplayConfiguration::current).id);
  EXPECT_EQ(done.state, ReplayState::done);
  EXPECT_EQ(done.made, 120U);
  EXPECT_EQ(done.delivered, 120U);
  EXPECT_EQ(refreshes, 1) << "the catalog here knew of no route";
  std::set<DeliveryId> parents;
  for (const Delivery& made : made_by(done.id)) {
    EXPECT_EQ(body_of(made), R"({"type":"push"})");
    parents.insert(made.replay_of.value());
  }
  EXPECT_EQ(parents.size(), 120U);
}

TEST_P(RunnerTest, WhatTheProgramsSettleAgainIsMadeAndHasFailed) {
  make_route("false", "");
  ended(3, DeliveryState::dead);
  const Replay done = run(begin({}, 1000, ReplayConfiguration::current).id);
  EXPECT_EQ(done.made, 3U);
  EXPECT_EQ(done.failed, 3U);
  for (const Delivery& made : made_by(done.id)) {
    EXPECT_EQ(made.state, DeliveryState::cancelled);
    EXPECT_EQ(made.reason, "filtered");
  }
  const Replay again = run(begin({}, 1000, ReplayConfiguration::current).id);
  EXPECT_EQ(again.made, 0U) << "the newest of each is cancelled, not dead";
}

TEST_P(RunnerTest, WithoutARouteNothingIsMade) {
  ended(3, DeliveryState::dead);
  const Replay done = run(begin({}, 1000, ReplayConfiguration::current).id);
  EXPECT_EQ(done.state, ReplayState::done);
  EXPECT_EQ(done.made, 0U);
  EXPECT_EQ(done.skipped_unrouted, 3U);
}

TEST_P(RunnerTest, ItWaitsForProgramsThatCannotBeAskedAndForACatalogThatCannotBeRead) {
  make_route("true", "");
  ended(2, DeliveryState::dead);
  const Replay replay = begin({}, 1000, ReplayConfiguration::current);
  store_away = true;
  ReplayRunner runner(parts(), {.runner = std::string(16, 'a')});
  runner.start();
  EXPECT_TRUE(runs_until([&] { return refreshes >= 2; }));
  store_away = false;
  programs->stop();
  for (int i = 0; i < 2; ++i) {
    const std::int64_t step = get(replay.id).step;
    clock.advance(1s);
    EXPECT_TRUE(runs_until([&] { return get(replay.id).step > step; }));
  }
  EXPECT_EQ(get(replay.id).state, ReplayState::running);
  EXPECT_EQ(get(replay.id).error, "programs_busy");
  EXPECT_EQ(get(replay.id).made, 0U);
  runner.stop();
  loop.run();
  programs.reset();
  EXPECT_EQ(run(replay.id).delivered, 2U);
}

TEST_P(RunnerTest, AProgramThatIsNotRunAnyMoreEndsItWithTheReason) {
  pool_options.evaluator.program_time = 5ms;
  make_route("def f: f; f", "");
  ended(30, DeliveryState::dead);
  const Replay replay = begin({}, 1000, ReplayConfiguration::current);
  ReplayRunner runner(parts(), {.runner = std::string(16, 'a')});
  runner.start();
  EXPECT_TRUE(runs_until([&] { return get(replay.id).error == "programs_suspended"; }));
  EXPECT_TRUE(runs_until([&] {
    clock.advance(100ms);
    return state(replay.id) == ReplayState::failed;
  }));
  runner.stop();
  loop.run();
  EXPECT_NE(get(replay.id).error.find("over its limits"), std::string::npos);
  EXPECT_LT(get(replay.id).made, 30U);
}

TEST_P(RunnerTest, AFaultEndsTheReplayItIsOfAndNoOther) {
  make_route("true", "");
  ended(2, DeliveryState::dead, "push");
  ended(2, DeliveryState::dead, "release");
  fault = true;
  const Replay faulty = begin({.type = "push"}, 1000, ReplayConfiguration::current);
  EXPECT_EQ(run(faulty.id).state, ReplayState::failed);
  EXPECT_NE(get(faulty.id).error.find("alloc"), std::string::npos);
  EXPECT_EQ(run(begin({.type = "release"}).id).delivered, 2U);
}

TEST_P(RunnerTest, OneWhoseProgramsTakeLongHoldsUpNoOther) {
  make_route("true", "");
  ended(2, DeliveryState::dead, "push");
  ended(2, DeliveryState::dead, "release");
  blocked.emplace(loop, boost::asio::steady_timer::time_point::max());
  const Replay slow = begin({.type = "push"}, 1000, ReplayConfiguration::current);
  const Replay other = begin({.type = "release"});
  ReplayRunner runner(parts(), {.runner = std::string(16, 'a')});
  runner.start();
  EXPECT_TRUE(runs_until([&] {
    end_made(DeliveryState::delivered);
    return state(other.id) == ReplayState::done;
  }));
  EXPECT_EQ(get(slow.id).made, 0U);
  runner.stop();
  blocked->cancel();
  loop.run();
}

ENGINES(RunnerTest);

}  // namespace
}  // namespace postern::relay
