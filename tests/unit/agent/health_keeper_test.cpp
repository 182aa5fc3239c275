#include "agent/health_keeper.hpp"

#include <gtest/gtest.h>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include <future>

#include "temp_dir.hpp"

namespace postern::agent {
namespace {

/// An app that takes no connection any more, and has a full queue of them.
class StuckApp {
 public:
  explicit StuckApp(const std::filesystem::path& path) {
    path.string().copy(address_.sun_path, sizeof address_.sun_path - 1);
    EXPECT_EQ(::bind(listener_, at(), sizeof address_), 0);
    EXPECT_EQ(::listen(listener_, 0), 0);
    while (::connect(queued_.emplace_back(opened()), at(), sizeof address_) == 0) {
    }
  }
  ~StuckApp() {
    die();
    for (const int socket : queued_) ::close(socket);
  }
  /// Whoever waits for it is let go.
  void die() {
    if (listener_ >= 0) ::close(std::exchange(listener_, -1));
  }

 private:
  static int opened() { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }
  const sockaddr* at() const { return reinterpret_cast<const sockaddr*>(&address_); }

  sockaddr_un address_{.sun_family = AF_UNIX, .sun_path = {}};
  int listener_ = opened();
  std::vector<int> queued_;
};

TEST(HealthKeeper, ALookAtAnAppThatIsStuckHoldsNobodyUp) {
  TempDir dir;
  StuckApp app(dir.path() / "app");
  boost::asio::io_context loop;
  SystemClock clock;
  std::vector<tunnel::AppHealth> told;
  const auto keeper =
      std::make_shared<HealthKeeper>(loop.get_executor(), clock, [&](const auto& apps) { told = apps; });
  tunnel::DeliverHead delivery;
  delivery.host = "unix:" + (dir.path() / "app").string();
  tunnel::ResultHead result;
  result.outcome = tunnel::ResultOutcome::not_sent;
  result.error_code = "connect_timeout";
  keeper->ended(delivery, result);
  ASSERT_EQ(told.size(), 1U);
  // Looks come after 100 ms and 200 ms.
  auto running = std::async(std::launch::async, [&] { loop.run_for(std::chrono::milliseconds(500)); });
  EXPECT_EQ(running.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  app.die();
  running.get();
  EXPECT_FALSE(keeper->apps().front().reachable);
}

}  // namespace
}  // namespace postern::agent
