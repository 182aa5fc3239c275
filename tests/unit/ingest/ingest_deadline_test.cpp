#include "ingest_fixture.hpp"

/// The store that does not answer, and loops that run at once.
namespace postern::relay {
namespace {

using std::chrono::milliseconds;

TEST_F(Ingest, DoesNotWaitForASilentStore) {
  make_handler(milliseconds(20));
  log.mode = FakeEventLog::Mode::silent;
  const auto began = std::chrono::steady_clock::now();
  const http::Response response = ask(github("{}", "d-1"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, milliseconds(20));
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(boost::json::parse(response.body).at("code").as_string(), "store_timeout");
  EXPECT_NE(http::find_header(response.headers, "Retry-After"), nullptr);
  EXPECT_EQ(requests("github", "store_timeout"), 1);
}

TEST_F(Ingest, ALateCommitMakesTheRepeatADuplicate) {
  make_handler(milliseconds(20));
  log.mode = FakeEventLog::Mode::silent;
  EXPECT_EQ(ask(github("{}", "d-1")).status, 503);
  log.mode = FakeEventLog::Mode::commit;
  log.answer_held();
  const http::Response repeat = ask(github("{}", "d-1"));
  EXPECT_EQ(repeat.status, 200);
  EXPECT_EQ(repeat.body,
            R"({"event_id":")" + log.appended[0].event->id.to_string() + R"(","duplicate":true})");
  EXPECT_EQ(count("postern_ingest_late_commits_total"), 1);
}

TEST_F(Ingest, DeadlinesEndInTheOrderTheyBegan) {
  make_handler(milliseconds(20));
  log.mode = FakeEventLog::Mode::silent;
  std::vector<std::optional<http::Response>> answers(50);
  for (auto& answer : answers) {
    start(github("{}", "d-1"), answer);
    io.poll();
  }
  log.mode = FakeEventLog::Mode::commit;
  EXPECT_EQ(ask(github("{}", "d-2")).status, 202) << "an answer overtakes those that wait";
  const auto all_answered = [&] {
    return std::ranges::all_of(answers, [](const auto& a) { return a.has_value(); });
  };
  while (!all_answered()) io.run_one();
  for (const auto& answer : answers) EXPECT_EQ(answer->status, 503);
}

TEST_F(Ingest, IsTornDownUnderWaitingRequests) {
  log.mode = FakeEventLog::Mode::silent;
  std::optional<http::Response> answer;
  boost::asio::co_spawn(io, handler->on_request(github("{}", "d-1")),
                        [](std::exception_ptr, http::Response) {});
  io.poll();
  ASSERT_EQ(log.appended.size(), 1U);
  handler.reset();
  log.answer_held();
  io.restart();
  io.poll();
}

/// One thread with its loop, and what it was answered.
struct LoopThread {
  boost::asio::io_context io{1};
  std::map<int, int> statuses;
  std::thread thread;
};

TEST_F(Ingest, RunsOnManyLoopsWhileTheCatalogChanges) {
  constexpr int kRequests = 200;
  std::array<LoopThread, 4> loops;
  std::mutex audit_mutex;
  const auto keep = [&](AuditEntry entry) {
    const std::lock_guard lock(audit_mutex);
    audit.push_back(std::move(entry));
  };
  prometheus::Registry own;
  IngestHandler shared(
      IngestParts{catalog, log, clock, ids, own, *programs, keep, [] { return true; }, limiter});
  for (std::size_t t = 0; t < loops.size(); ++t) {
    LoopThread& loop = loops[t];
    for (int i = 0; i < kRequests; ++i) {
      const std::string_view secret = i % 4 == 0 ? "not the secret" : kSecret;
      boost::asio::co_spawn(loop.io, shared.on_request(github("{}", fmt::format("{}-{}", t, i), secret)),
                            [&loop](std::exception_ptr, http::Response response) {
                              ++loop.statuses[response.status];
                              if (loop.statuses[202] + loop.statuses[401] == kRequests) loop.io.stop();
                            });
    }
    loop.thread = std::thread([&] {
      EXPECT_TRUE(std::holds_alternative<http::ReadBody>(shared.on_head(github("{}"))));
      loop.io.run_for(std::chrono::seconds(20));
    });
  }
  for (int i = 0; i < 50; ++i) publish();
  for (LoopThread& loop : loops) {
    loop.thread.join();
    EXPECT_EQ(loop.statuses[202], kRequests * 3 / 4);
    EXPECT_EQ(loop.statuses[401], kRequests / 4);
  }
  EXPECT_EQ(audit.size(), 10U);
}

TEST(RefusalLimiter, RefillsOneByOneUpToItsBurst) {
  RefusalLimiter limiter;
  const SourceId source{};
  SteadyTime now{std::chrono::hours(1)};
  for (int i = 0; i < RefusalLimiter::kBurst; ++i) EXPECT_EQ(limiter.admit(source, now), 0U);
  EXPECT_FALSE(limiter.admit(source, now));
  EXPECT_FALSE(limiter.admit(source, now + milliseconds(4999)));
  EXPECT_EQ(limiter.admit(source, now + milliseconds(5000)), 2U);
  EXPECT_FALSE(limiter.admit(source, now + milliseconds(5000)));
  now += std::chrono::hours(2);
  EXPECT_EQ(limiter.admit(source, now), 1U);
  for (int i = 1; i < RefusalLimiter::kBurst; ++i) EXPECT_EQ(limiter.admit(source, now), 0U);
  EXPECT_FALSE(limiter.admit(source, now));
}

}  // namespace
}  // namespace postern::relay
