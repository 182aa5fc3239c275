#include "tests/unit/store/repositories_fixture.hpp"

namespace postern::relay {
namespace {

class EventRepositoryTest : public RepositoriesTest {};
ENGINES(EventRepositoryTest);

TEST_P(EventRepositoryTest, EventFiltersAndIsolation) {
  const Source second = make_source(workspace, "b");
  std::vector<EventId> all;
  for (int i = 0; i < 9; ++i) {
    Event event = make_event(workspace, i % 3 == 0 ? second.id : source.id, fmt::format("k{}", i));
    if (i >= 6) event.type = "charge.failed";
    all.push_back(event.id);
    intake.answer = {i == 4 ? DeliveryState::parked : DeliveryState::pending, ""};
    ASSERT_TRUE(append(with_deliveries(std::move(event), {destination.id})));
    clock.advance(std::chrono::seconds(1));
  }
  const auto count = [&](const EventFilter& filter, WorkspaceId in) {
    return read([&](Transaction& tx) { return EventRepository(tx).list(in, filter, {}); }).items.size();
  };
  const Time start = clock.now() - std::chrono::seconds(9);
  EXPECT_EQ(count({}, workspace), 9U);
  EXPECT_EQ(count({}, other), 0U);
  EXPECT_EQ(count({.source_id = second.id}, workspace), 3U);
  EXPECT_EQ(count({.source_id = second.id}, other), 0U);
  EXPECT_EQ(count({.type = "charge.failed"}, workspace), 3U);
  EXPECT_EQ(count({.source_id = second.id, .type = "charge.failed"}, workspace), 1U);
  EXPECT_EQ(count({.status = DeliveryState::parked}, workspace), 1U);
  EXPECT_EQ(count({.status = DeliveryState::pending}, workspace), 8U);
  EXPECT_EQ(count({.status = DeliveryState::delivered}, workspace), 0U);
  EXPECT_EQ(
      count({.since = start + std::chrono::seconds(2), .until = start + std::chrono::seconds(5)}, workspace),
      3U);
  EXPECT_EQ(read([&](Transaction& tx) { return EventRepository(tx).get(other, all[0]); }).error().code,
            "not_found");
  std::vector<EventId> paged;
  Page page{.limit = 4, .cursor = ""};
  do {
    const auto listing = read([&](Transaction& tx) { return EventRepository(tx).list(workspace, {}, page); });
    for (const auto& it : listing.items) paged.push_back(it.id);
    page.cursor = listing.next_cursor;
  } while (!page.cursor.empty());
  std::ranges::reverse(paged);
  EXPECT_EQ(paged, all);
}

TEST_P(EventRepositoryTest, EventsOfOneInstantAreAllListed) {
  for (int i = 0; i < 7; ++i) ASSERT_TRUE(append(workspace, source.id, fmt::format("k{}", i)));
  std::size_t seen = 0;
  Page page{.limit = 2, .cursor = ""};
  do {
    const auto listing = read([&](Transaction& tx) { return EventRepository(tx).list(workspace, {}, page); });
    seen += listing.items.size();
    page.cursor = listing.next_cursor;
  } while (!page.cursor.empty() && seen < 20);
  EXPECT_EQ(seen, 7U);
}

}  // namespace
}  // namespace postern::relay
