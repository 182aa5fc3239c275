#include "relay/retention/keeper.hpp"

#include <prometheus/text_serializer.h>

#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

class KeeperTest : public ConformanceTest {
 protected:
  /// A keeper that runs until `enough`, or for too long.
  void keep(const Retention& retention, std::function<bool()> enough) {
    RetentionKeeper keeper({.loop = loop.get_executor(),
                            .database = db(),
                            .clock = clock,
                            .metrics = metrics,
                            .retention = retention,
                            .partitioned = false,
                            .runner = std::string(16, 'a')});
    loop.restart();
    keeper.start();
    const auto end = std::chrono::steady_clock::now() + 20s;
    while (!enough() && std::chrono::steady_clock::now() < end) loop.run_for(5ms);
    EXPECT_TRUE(enough());
    keeper.stop();
    loop.run();
  }
  bool shows(const std::string& line) {
    return prometheus::TextSerializer().Serialize(metrics.Collect()).find(line + "\n") != std::string::npos;
  }
  prometheus::Registry metrics;
};

ENGINES(KeeperTest);

TEST_P(KeeperTest, RemovesInAllWorkspacesAndSaysWhatItKept) {
  const WorkspaceId other = make_workspace("other").id;
  for (const WorkspaceId in : {workspace, other}) {
    const Source source = make_source(in, "shop");
    const Destination destination = make_destination(in, "app");
    for (int i = 0; i < 3; ++i) {
      intake.answer =
          i == 0 ? Admission{DeliveryState::parked, "agent_away"} : Admission{DeliveryState::leased, ""};
      EXPECT_TRUE(append(in, source.id, fmt::format("k{}", i), {destination.id}));
    }
    std::vector<Completion> completions;
    for (const LeasedDelivery& leased : std::exchange(intake.leased, {}))
      completions.push_back(completion(leased, DeliveryState::delivered));
    EXPECT_EQ(complete(std::move(completions)), 2U);
  }
  clock.advance(days(2));
  // The other one keeps its bodies for ever.
  ASSERT_TRUE(write_void([&](Transaction& tx) {
    return WorkspaceRepository(tx).set_retention(other,
                                                 {.bodies = Duration(0), .events = {}, .attempts = {}});
  }));
  keep({days(1), Duration(0), Duration(0)},
       [&] { return shows("postern_retention_kept{what=\"bodies\"} 1"); });
  EXPECT_EQ(number("SELECT count(*) FROM event WHERE body_expired = 1"), 2);
  EXPECT_TRUE(shows("postern_retention_removed_total{what=\"bodies\"} 2"));
  EXPECT_TRUE(shows("postern_oldest_event_age_seconds 172800"));
}

}  // namespace
}  // namespace postern::relay
