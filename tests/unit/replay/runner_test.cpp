#include "relay/replay/runner.hpp"

#include <boost/asio/io_context.hpp>

#include <thread>

#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

class RunnerTest : public ConformanceTest {
 protected:
  ReplayId begin() {
    clock.advance(1ms);
    Replay replay;
    replay.id = ids.of<ReplayId>();
    replay.workspace_id = workspace;
    replay.filter.until = clock.now();
    replay.cursor = ReplayRepository::start_of(replay.filter);
    replay.rate = 1000;
    replay.created_at = replay.paced_until = replay.next_step_at = clock.now();
    EXPECT_TRUE(write_void([&](Transaction& tx) { return ReplayRepository(tx).create(replay); }));
    return replay.id;
  }
  ReplayState state(ReplayId id) {
    return read([&](Transaction& tx) { return ReplayRepository(tx).get(workspace, id); }).value().state;
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
  boost::asio::io_context loop{1};
};

TEST_P(RunnerTest, NoStepIsMadeWhileTheLoadHoldsReplaysBack) {
  shedding.set(LoadLevel::no_replays);
  ReplayRunner runner({.loop = loop.get_executor(),
                       .database = *store->database,
                       .ids = ids,
                       .clock = clock,
                       .wake = [] {},
                       .shedding = &shedding},
                      {.runner = std::string(16, 'a')});
  const ReplayId id = begin();
  runner.start();
  EXPECT_TRUE(runs_until([&] { return put_off() >= 2; }));
  EXPECT_EQ(state(id), ReplayState::running);
  shedding.set(LoadLevel::no_reads);
  EXPECT_TRUE(runs_until([&] { return state(id) == ReplayState::done; }));
  runner.stop();
  loop.run();
}

ENGINES(RunnerTest);

}  // namespace
}  // namespace postern::relay
