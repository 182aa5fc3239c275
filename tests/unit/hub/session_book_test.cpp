#include "relay/tunnel/session_book.hpp"

#include <gtest/gtest.h>
#include <boost/asio/io_context.hpp>

#include <map>

#include "relay/store/sqlite/migrate.hpp"

namespace postern::relay {
namespace {

/// Takes down who is said to be where; the SQL itself is tried on PostgreSQL in the store's tests.
class FakeStore final : public Database, private Transaction {
 public:
  void write(WriteJob job, Done done) override {
    ++writes;
    if (held) return waiting.push_back([this, job, done] { run(job, done); });
    run(job, done);
  }
  void release() {
    held = false;
    for (const auto& one : std::exchange(waiting, {})) one();
  }
  void read(ReadJob, Done done) override { done({}); }
  bool ingest_allowed() const override { return true; }
  StoreStats stats() const override { return {}; }
  const MigrationReport& migrations() const override { return report_; }
  void stop() override {}

  std::map<std::string, std::int64_t> holders;  ///< an agent's bytes → node
  std::map<std::string, std::int64_t> since;
  std::vector<std::function<void()>> waiting;
  std::size_t writes = 0;
  bool away = false, held = false;

 private:
  void run(const WriteJob& job, const Done& done) {
    if (away) return done(fail("store_busy", "It is away."));
    done(job(*this));
  }
  Result<std::int64_t> execute(std::string_view sql, const std::vector<Value>& values) override {
    const std::string& agent = std::get<Blob>(values[0]).bytes;
    if (sql.starts_with("DELETE")) return static_cast<std::int64_t>(holders.erase(agent));
    holders[agent] = std::get<std::int64_t>(values[1]);
    since[agent] = std::get<std::int64_t>(values[3]);
    return 1;
  }
  void query(std::string_view, const std::vector<Value>&, const std::function<void(const Row&)>&) override {}

  MigrationReport report_;
};

struct SessionBookTest : testing::Test {
  SessionBookTest() {
    book = std::make_shared<SessionBook>(
        SessionBookParts{.loop = loop.get_executor(),
                         .database = store,
                         .clock = clock,
                         .session = [this](AgentId id) -> std::optional<std::uint64_t> {
                           const auto found = sessions.find(id);
                           return found == sessions.end() ? std::nullopt : std::optional(found->second);
                         },
                         .node = [this] { return node; }});
    book->start();
    loop.poll();
  }
  void arrives(AgentId id) {
    sessions[id] = 1;
    book->changed(id);
    loop.poll();
  }
  void leaves(AgentId id) {
    sessions.erase(id);
    book->changed(id);
    loop.poll();
  }
  std::int64_t holder(AgentId id) {
    const auto found = store.holders.find(std::string(id.bytes()));
    return found == store.holders.end() ? 0 : found->second;
  }
  /// Until it has looked again.
  template <class Condition>
  bool becomes(Condition holds) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!holds() && std::chrono::steady_clock::now() < end) loop.run_one_for(std::chrono::seconds(1));
    return holds();
  }

  boost::asio::io_context loop;
  FakeStore store;
  ManualClock clock;
  SystemRandom random;
  IdGenerator ids{clock, random};
  int node = 4;
  std::map<AgentId, std::uint64_t> sessions;
  std::shared_ptr<SessionBook> book;
  const AgentId one = ids.of<AgentId>(), two = ids.of<AgentId>();
};

TEST_F(SessionBookTest, ArrivalAndLeavingAreWrittenAtOnce) {
  arrives(one);
  EXPECT_EQ(holder(one), 4);
  leaves(one);
  EXPECT_EQ(holder(one), 0);
}

TEST_F(SessionBookTest, WhatHoldsIsWrittenNotWhatTheEventSaid) {
  arrives(one);
  book->changed(one);  // the old session's end, behind the new one's beginning
  loop.poll();
  EXPECT_EQ(holder(one), 4);
}

TEST_F(SessionBookTest, WhatTheStoreDidNotTakeIsWrittenLater) {
  store.away = true;
  arrives(one);
  arrives(two);
  leaves(two);
  EXPECT_TRUE(store.holders.empty());
  store.away = false;
  EXPECT_TRUE(becomes([&] { return holder(one) == 4; }));
  EXPECT_EQ(holder(two), 0);
}

TEST_F(SessionBookTest, ANodeWithANewNumberWritesAllOfItAgain) {
  arrives(one);
  arrives(two);
  leaves(two);
  const auto since = store.since;
  clock.advance(std::chrono::hours(1));
  node = 5;
  EXPECT_TRUE(becomes([&] { return holder(one) == 5; }));
  EXPECT_EQ(holder(two), 0);
  EXPECT_EQ(store.since, since) << "it has been there all the time";
}

TEST_F(SessionBookTest, OneGroupAtATimeSoThatNoneOvertakes) {
  store.held = true;
  arrives(one);
  leaves(one);
  for (std::size_t n = 0; n < 2 * SessionBook::kAtOnce; ++n) arrives(ids.of<AgentId>());
  EXPECT_EQ(store.writes, 1U);
  store.release();
  loop.poll();
  EXPECT_EQ(store.writes, 4U);
  EXPECT_EQ(holder(one), 0);
  EXPECT_EQ(store.holders.size(), 2 * SessionBook::kAtOnce);
}

TEST_F(SessionBookTest, NothingIsWrittenAfterItWasStopped) {
  book->stop();
  arrives(one);
  EXPECT_EQ(store.writes, 0U);
}

}  // namespace
}  // namespace postern::relay
