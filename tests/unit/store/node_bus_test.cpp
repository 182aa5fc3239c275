// Wake-ups between nodes: by notifications, and by a carrier while it carries.
#include "relay/store/postgres/node_bus.hpp"

#include <future>

#include "base/random.hpp"
#include "tests/unit/store/postgres_database_fixture.hpp"

namespace postern::relay {
namespace {

class NodeBusTest : public ::testing::Test {
 protected:
  void SetUp() override {
    database.connect().script(
        "CREATE TABLE catalog_state (version bigint); INSERT INTO catalog_state VALUES (1)");
    other.on_wake([this](std::vector<DestinationId> woken) { heard.push_back(std::move(woken)); });
  }
  void TearDown() override {
    bus.stop();
    other.stop();
  }
  static PostgresOptions options(const TestDatabase& database) {
    PostgresOptions options;
    options.url = database.url();
    return options;
  }
  static DestinationId id(char with) { return *DestinationId::from_bytes(std::string(16, with)); }

  TestDatabase database;
  std::atomic<bool> abandon{false};
  NodeBus bus{options(database), abandon}, other{options(database), abandon};
  std::vector<std::vector<DestinationId>> heard;
};

TEST_F(NodeBusTest, WhatTheCarrierTakesIsHeardAndGathered) {
  bus.carry([this](std::string_view payload) {
    other.heard(payload);
    return true;
  });
  bus.publish({id('b'), id('a')});
  bus.publish({id('a')});
  bus.start();
  bus.stop();  // what waits is said first
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard.front(), (std::vector{id('a'), id('b')}));
}

TEST_F(NodeBusTest, WhatTheCarrierDoesNotTakeGoesThroughTheServer) {
  std::promise<std::vector<DestinationId>> woken;
  NodeBus listener(options(database), abandon);
  listener.on_wake([&](std::vector<DestinationId> ids) { woken.set_value(std::move(ids)); });
  std::promise<void> listening;
  listener.on_catalog_change([&, told = false]() mutable {
    if (!std::exchange(told, true)) listening.set_value();
  });
  listener.start();
  listening.get_future().wait();  // LISTEN is said before the catalog is looked at
  std::atomic<int> asked = 0;
  bus.carry([&](std::string_view) {
    ++asked;
    return false;
  });
  bus.start();
  bus.publish({id('a')});
  EXPECT_EQ(woken.get_future().get(), std::vector{id('a')});
  EXPECT_EQ(asked, 1);
  listener.stop();
}

TEST_F(NodeBusTest, ItsOwnWordsAreNotHeard) {
  bus.on_wake([this](std::vector<DestinationId> woken) { heard.push_back(std::move(woken)); });
  bus.carry([this](std::string_view payload) {
    bus.heard(payload);
    return true;
  });
  bus.start();
  bus.publish({id('a')});
  bus.stop();
  EXPECT_TRUE(heard.empty());
}

TEST_F(NodeBusTest, WhatMakesNoSenseIsPassedOver) {
  const std::string hex(32, 'a');
  for (const std::string_view payload : {"", " ", "x", "x ", "x zz", "x 0123", "   ", "\0 \xff\xff"})
    other.heard(payload);
  EXPECT_TRUE(heard.empty());
  other.heard("somebody nonsense " + hex + " and more");
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard.front().size(), 1U);
}

TEST_F(NodeBusTest, AFloodIsCutToWhatANodeSends) {
  std::string payload(16, 'n');
  for (int i = 0; i < 10'000; ++i) payload += " " + std::string(32, 'a');
  other.heard(payload);
  ASSERT_EQ(heard.size(), 1U);
  EXPECT_EQ(heard.front().size(), 200U);
}

TEST_F(NodeBusTest, NothingIsHeardAfterTheEnd) {
  other.stop();
  other.heard("somebody " + std::string(32, 'a'));
  EXPECT_TRUE(heard.empty());
}

}  // namespace
}  // namespace postern::relay
