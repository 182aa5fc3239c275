// A process of an agent gives its place to another one: both ends of handover.hpp with a relay, in one
// process.
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>

#include "agent/predecessor.hpp"
#include "agent/successor.hpp"
#include "hub_world.hpp"
#include "tests/support/http_listener.hpp"
#include "tests/unit/agent/temp_dir.hpp"

namespace postern::relay {
namespace {

using agent::HandoverType;

/// Counts its calls, and answers those after hold() once it is let.
class CountingApp {
 public:
  CountingApp() : listener_([this](http::Request) { return answer(); }, {}) {}
  ~CountingApp() { held_ = false; }
  std::uint16_t port() const { return listener_.port(); }
  void hold(bool held) { held_ = held; }
  int calls() const { return calls_; }
  void wait_for_calls(int count) const {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (calls_ < count && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_GE(calls_, count);
  }

 private:
  boost::asio::awaitable<http::Response> answer() {
    ++calls_;
    boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
    while (held_) {
      timer.expires_after(std::chrono::milliseconds(2));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    http::Response response;
    response.body = "ok";
    co_return response;
  }
  std::atomic<bool> held_{false};
  std::atomic<int> calls_{0};
  test::HttpListener listener_;
};

/// What serve() wires up, without the process.
class Process {
 public:
  using Start = std::function<Result<agent::ChildProcess>(int)>;
  Process(const agent::StateDir& dir, agent::FileLock lock, std::optional<agent::Inheritance> inherited,
          Start start)
      : lock_(std::move(lock)), board_(dir.status_file(), clock_), results_(agent::Journal({}), nullptr, 0) {
    agent::Identity identity = dir.identity().value();
    const auto journal = dir.journal_file(identity.agent_id);
    if (!inherited) EXPECT_TRUE(results_.take_over(journal));
    board_.leave_file(inherited.has_value());
    agent::Limits limits;
    limits.deliveries = 16;
    auto forwarder = std::make_shared<agent::Forwarder>(loop_.get_executor(), identity.allow, limits,
                                                        agent::AppTls{}, results_, board_, clock_);
    agent::Keeper::Settings settings;
    settings.sessions = 2;
    settings.on_session = [this] {
      if (successor_) successor_->session_opened();
    };
    if (inherited) settings.predecessor = inherited->greeting();
    tunnel::ConnectionLimits connection;
    connection.session.max_deliveries = 8;
    keeper_ =
        std::make_shared<agent::Keeper>(agent::Keeper::Parts{loop_, dir, board_, clock_, random_, connection},
                                        std::move(identity), forwarder, std::move(settings));
    predecessor_ =
        std::make_shared<agent::Predecessor>(agent::Predecessor::Parts{.executor = loop_.get_executor(),
                                                                       .board = board_,
                                                                       .clock = clock_,
                                                                       .manager = manager_,
                                                                       .results = results_,
                                                                       .forwarder = forwarder,
                                                                       .keeper = keeper_,
                                                                       .journal = journal,
                                                                       .lock = lock_,
                                                                       .lock_file = dir.lock_file(),
                                                                       .start = std::move(start),
                                                                       .handed = [](bool) {}});
    if (inherited) take_over(dir, forwarder, journal, *inherited);
    exit_ = boost::asio::co_spawn(loop_, keeper_->run(), boost::asio::use_future);
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~Process() {
    on_loop([this] { keeper_->stop(); });
    EXPECT_EQ(exit_.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    loop_.stop();
    thread_.join();
  }
  void give_place() {
    on_loop([this] { predecessor_->begin(); });
  }
  bool serves() const { return serves_; }
  bool has_ended() { return exit_.wait_for(std::chrono::seconds(20)) == std::future_status::ready; }
  std::string failed_upgrade() {
    std::promise<std::string> said;
    on_loop([&] {
      const auto& failed = board_.status().failed_upgrade;
      said.set_value(failed ? failed->error.message : "");
    });
    return said.get_future().get();
  }
  int lock() const { return lock_.descriptor(); }

 private:
  template <class Do>
  void on_loop(Do what) {
    boost::asio::post(loop_, std::move(what));
  }
  void take_over(const agent::StateDir& dir, std::shared_ptr<agent::Forwarder> forwarder,
                 std::filesystem::path journal, agent::Inheritance& inherited) {
    successor_ =
        std::make_shared<agent::Successor>(agent::Successor::Parts{.executor = loop_.get_executor(),
                                                                   .state_dir = dir,
                                                                   .lock = lock_,
                                                                   .board = board_,
                                                                   .results = results_,
                                                                   .forwarder = std::move(forwarder),
                                                                   .keeper = keeper_,
                                                                   .journal = std::move(journal),
                                                                   .sessions = 2,
                                                                   .serves = [this] { serves_ = true; }},
                                           inherited.release_socket());
    successor_->start();
  }

  SystemClock clock_;
  SystemRandom random_;
  agent::FileLock lock_;
  agent::ServiceManager manager_{nullptr};
  agent::StatusBoard board_;
  agent::ResultKeeper results_;
  boost::asio::io_context loop_{1};
  std::shared_ptr<agent::Keeper> keeper_;
  std::shared_ptr<agent::Predecessor> predecessor_;
  std::shared_ptr<agent::Successor> successor_;
  std::atomic<bool> serves_{false};
  std::future<int> exit_;
  std::thread thread_;
};

class Upgrade : public HubTest {
 protected:
  Upgrade() {
    start_hub();
    who_ = new_identity({fmt::format("127.0.0.1:{}", app_.port())});
    EXPECT_TRUE(dir_.create());
    EXPECT_TRUE(dir_.save(who_));
    before_ = std::make_unique<Process>(dir_, dir_.lock().value(), std::nullopt,
                                        [this](int socket) { return start(socket); });
    wait_sessions(2);
  }
  ~Upgrade() override {
    app_.hold(false);
    if (starting_.joinable()) starting_.join();
    after_.reset();
    before_.reset();
  }
  /// What the next successor does with its end of the pair.
  void next(std::function<void(int)> life) {
    life_ = std::move(life);
    started_ = false;
  }
  void succeed(int socket) {
    auto inherited = agent::Inheritance::receive(socket, agent::FileLock::inherited(::dup(before_->lock())));
    ASSERT_TRUE(inherited);
    auto lock = std::move(inherited->lock());
    after_ = std::make_unique<Process>(dir_, std::move(lock), std::move(*inherited), Process::Start());
  }
  void wait_until(const std::function<bool()>& so) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!so() && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    EXPECT_TRUE(so());
  }
  void upgrade() {
    next([this](int socket) { succeed(socket); });
    before_->give_place();
    wait_until([this] { return started_.load(); });
    starting_.join();
    wait_until([this] { return after_->serves(); });
  }
  std::string ask() { return deliver(who_.agent_id, request_to(app_.port())).body; }
  std::future<AgentAnswer> ask_later() { return deliver_later(who_.agent_id, request_to(app_.port())); }

  CountingApp app_;
  agent::TempDir temp_;
  agent::StateDir dir_{temp_.path() / "state"};
  agent::Identity who_;
  std::unique_ptr<Process> before_, after_;

 private:
  Result<agent::ChildProcess> start(int socket) {
    if (starting_.joinable()) starting_.join();
    starting_ = std::thread(life_, ::dup(socket));
    started_ = true;
    return agent::ChildProcess(0);
  }
  std::function<void(int)> life_;
  std::thread starting_;
  std::atomic<bool> started_{false};
};

void say(int socket, HandoverType type) {
  const std::string frame = agent::encode_frame(type);
  EXPECT_EQ(::send(socket, frame.data(), frame.size(), MSG_NOSIGNAL), static_cast<ssize_t>(frame.size()));
}

bool hear(int socket, HandoverType type) {
  agent::HandoverReader reader;
  char piece[4096];
  for (ssize_t size = 0; (size = ::recv(socket, piece, sizeof piece, 0)) > 0;) {
    reader.feed({piece, static_cast<std::size_t>(size)});
    for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
      if ((*frame)->type == type) return true;
    }
  }
  return false;
}

TEST_F(Upgrade, TheRelaySeesAMoveAndCallsGoOn) {
  app_.hold(true);
  auto slow = ask_later();
  app_.wait_for_calls(1);
  upgrade();
  wait_sessions(2);
  app_.hold(false);
  EXPECT_EQ(slow.get().body, "ok");
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(), "ok");
  EXPECT_TRUE(before_->has_ended());
  EXPECT_EQ(app_.calls(), 21);
  EXPECT_EQ(dir_.running(), std::to_string(::getpid()));
}

TEST_F(Upgrade, NoDeliveryNotices) {
  std::atomic<bool> enough{false};
  std::atomic<int> asked{0};
  auto asking = std::async(std::launch::async, [&] {
    for (; !enough; ++asked) EXPECT_EQ(ask(), "ok");
  });
  upgrade();
  EXPECT_TRUE(before_->has_ended());
  enough = true;
  asking.get();
  EXPECT_EQ(app_.calls(), asked);
}

TEST_F(Upgrade, ASuccessorThatDiesAtOnceChangesNothing) {
  next([](int socket) { ::close(socket); });
  before_->give_place();
  wait_until([this] { return !before_->failed_upgrade().empty(); });
  EXPECT_EQ(ask(), "ok");
  upgrade();
  EXPECT_EQ(ask(), "ok");
}

TEST_F(Upgrade, WhatWasHeldForASuccessorThatDiesIsDelivered) {
  std::promise<void> held;
  next([&](int socket) {
    say(socket, HandoverType::ready);
    EXPECT_TRUE(hear(socket, HandoverType::handed));
    held.get_future().wait();
    ::close(socket);
  });
  app_.hold(true);
  auto before = ask_later();
  app_.wait_for_calls(1);
  before_->give_place();
  // The hand-over is a matter of two messages: what is asked for now comes before it, in it, or after it.
  std::vector<std::future<AgentAnswer>> answers;
  for (int i = 0; i < 5; ++i) answers.push_back(ask_later());
  held.set_value();
  app_.hold(false);
  EXPECT_EQ(before.get().body, "ok");
  for (auto& answer : answers) EXPECT_EQ(answer.get().body, "ok");
  wait_until([this] { return !before_->failed_upgrade().empty(); });
  EXPECT_EQ(app_.calls(), 6);
  EXPECT_EQ(ask(), "ok");
}

}  // namespace
}  // namespace postern::relay
