#include "relay/routing/program_pool.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <future>

namespace postern::relay {
namespace {

class ProgramPoolTest : public testing::Test {
 protected:
  ProgramPoolTest() {
    auto made = std::make_shared<Event>();
    made->method = "POST";
    made->target = "/";
    made->body = R"({"n":1})";
    event = made;
    options.workers = 1;
    options.evaluator.command.path = POSTERN_ROUTE_WORKER;
  }
  ProgramPool& pool() {
    if (!made_) made_ = std::make_unique<ProgramPool>(options, metrics);
    return *made_;
  }
  SourceId source(unsigned char number) {
    return *SourceId::from_bytes(std::string(16, static_cast<char>(number)));
  }
  ProgramJob job(std::string filter, unsigned char line = 1) {
    ProgramJob job;
    job.event = event;
    job.programs =
        std::make_shared<const std::vector<RoutePrograms>>(1, RoutePrograms{std::move(filter), ""});
    job.line = source(line);
    return job;
  }
  std::future<ProgramPool::Rulings> submit(ProgramJob job, Duration limit = std::chrono::seconds(20)) {
    auto promise = std::make_shared<std::promise<ProgramPool::Rulings>>();
    pool().submit(std::move(job), limit,
                  [promise](ProgramPool::Rulings rulings) { promise->set_value(std::move(rulings)); });
    return promise->get_future();
  }

  std::shared_ptr<const Event> event;
  ProgramPoolOptions options;
  prometheus::Registry metrics;

 private:
  std::unique_ptr<ProgramPool> made_;
};

constexpr const char* kEndless = "def f: f; f";

TEST_F(ProgramPoolTest, StartsNothingBeforeTheFirstJob) {
  EXPECT_TRUE(pool().pids().empty());
  const auto rulings = submit(job(".body.n == 1")).get();
  ASSERT_TRUE(rulings);
  EXPECT_EQ(rulings->at(0).kind, Ruling::Kind::passed);
}

TEST_F(ProgramPoolTest, AnEndlessProgramDelaysOnlyItsOwnSource) {
  std::vector<std::future<ProgramPool::Rulings>> slow;
  for (int i = 0; i < 20; ++i) slow.push_back(submit(job(kEndless, 1)));
  const auto others = submit(job("true", 2)).get();
  ASSERT_TRUE(others);
  EXPECT_EQ(others->at(0).kind, Ruling::Kind::passed);
  EXPECT_EQ(slow.back().wait_for(std::chrono::seconds(0)), std::future_status::timeout)
      << "the other came first";
  for (auto& each : slow) EXPECT_EQ(each.get()->at(0).kind, Ruling::Kind::failed);
}

TEST_F(ProgramPoolTest, AProgramThatKeepsGoingOverItsLimitsIsNotRunForAWhile) {
  for (unsigned i = 0; i < Suspensions::kStrikes; ++i) {
    EXPECT_EQ(submit(job(kEndless)).get()->at(0).fault, Fault::time);
  }
  const Ruling ruling = submit(job(kEndless)).get()->at(0);
  EXPECT_EQ(ruling.fault, Fault::suspended);
  EXPECT_EQ(ruling.message, "not run: it went over its limits 3 times in a row; it is tried again after 10s");
  EXPECT_EQ(submit(job("true")).get()->at(0).kind, Ruling::Kind::passed);
  ProgramJob trial = job(kEndless);
  trial.trial = true;
  EXPECT_EQ(submit(trial).get()->at(0).fault, Fault::time) << "who tries it out wants to see what it does";
}

TEST_F(ProgramPoolTest, WhatFindsNoPlaceOrNoTurnIsToldSo) {
  options.waiting_each = 2;
  options.evaluator.program_time = std::chrono::milliseconds(500);
  auto running = submit(job(kEndless));
  std::vector<std::future<ProgramPool::Rulings>> waiting;
  for (int i = 0; i < 4; ++i) waiting.push_back(submit(job(kEndless), std::chrono::milliseconds(50)));
  int refused = 0;
  for (auto& each : waiting) {
    const auto answer = each.get();
    if (!answer) EXPECT_EQ(answer.error().code, "programs_busy");
    refused += answer ? 0 : 1;
  }
  EXPECT_GE(refused, 2);
  EXPECT_EQ(running.get()->at(0).kind, Ruling::Kind::failed);
}

TEST_F(ProgramPoolTest, StopAnswersEverything) {
  std::vector<std::future<ProgramPool::Rulings>> left;
  for (int i = 0; i < 5; ++i) left.push_back(submit(job(kEndless)));
  pool().stop();
  for (auto& each : left) each.get();
  EXPECT_FALSE(submit(job("true")).get());
}

TEST_F(ProgramPoolTest, AKilledWorkerHurtsNoEvent) {
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(submit(job("true")).get()->at(0).kind, Ruling::Kind::passed);
    for (const int pid : pool().pids()) ::kill(pid, SIGKILL);
  }
}

TEST_F(ProgramPoolTest, CompilesWithoutAnEvent) {
  ProgramJob check = job(".a ==");
  check.event = nullptr;
  EXPECT_EQ(submit(check).get()->at(0).fault, Fault::invalid);
}

TEST_F(ProgramPoolTest, ACoroutineResumesOnItsOwnLoop) {
  boost::asio::io_context loop;
  std::optional<ProgramPool::Rulings> answer;
  boost::asio::co_spawn(loop, evaluate(pool(), job(".body.n"), std::chrono::seconds(20)),
                        [&](std::exception_ptr error, ProgramPool::Rulings rulings) {
                          EXPECT_EQ(error, nullptr);
                          answer = std::move(rulings);
                        });
  loop.run();
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->at(0).kind, Ruling::Kind::passed);
}

}  // namespace
}  // namespace postern::relay
