#include "relay/overload/load_monitor.hpp"

#include <gtest/gtest.h>
#include <boost/asio/executor_work_guard.hpp>

#include <atomic>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

struct LoadMonitorTest : testing::Test {
  LoadMonitorTest() : guard(loop.get_executor()) {}
  ~LoadMonitorTest() override {
    monitor.stop();
    loop.stop();
    if (thread.joinable()) thread.join();
  }
  void run_loop() {
    thread = std::thread([this] { loop.run(); });
  }
  bool becomes(LoadLevel level) {
    const auto limit = std::chrono::steady_clock::now() + 30s;
    while (shedding.level() != level) {
      if (std::chrono::steady_clock::now() > limit) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }

  prometheus::Registry metrics;
  Shedding shedding{metrics};
  asio::io_context loop{1};
  asio::executor_work_guard<asio::io_context::executor_type> guard;
  asio::io_context* loops[1] = {&loop};
  std::atomic<std::int64_t> oldest_micros{0};
  std::thread thread;
  LoadMonitor monitor{{.store =
                           [this] {
                             StorePressure pressure;
                             pressure.oldest_append = Duration(oldest_micros.load());
                             return pressure;
                           },
                       .loops = loops,
                       .shedding = shedding,
                       .metrics = metrics,
                       .wait_most = 500ms}};
};

TEST_F(LoadMonitorTest, FollowsTheStore) {
  run_loop();
  monitor.start();
  oldest_micros = Duration(2s).count();
  EXPECT_TRUE(becomes(LoadLevel::no_events));
  EXPECT_TRUE(shedding.gives_up(Work::reads)) << "with the last goes everything before it";
  oldest_micros = 0;
  EXPECT_TRUE(becomes(LoadLevel::calm));
}

TEST_F(LoadMonitorTest, ALoopThatStandsStillIsNoticedWhileItDoes) {
  monitor.start();
  EXPECT_TRUE(becomes(LoadLevel::no_retries)) << "it has not run at all";
  run_loop();
  EXPECT_TRUE(becomes(LoadLevel::calm));
}

}  // namespace
}  // namespace postern::relay
