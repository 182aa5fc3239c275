#pragma once
// A process of an agent gives its place to another one: both ends of handover.hpp with a relay, in one
// process.
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>

#include "agent/predecessor.hpp"
#include "agent/successor.hpp"
#include "apps.hpp"
#include "hub_world.hpp"
#include "tests/unit/agent/temp_dir.hpp"

namespace postern::relay {

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
    settings.on_session = [this](std::uint64_t generation) {
      if (successor_) successor_->session_opened(generation);
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
    if (exit_.valid()) EXPECT_EQ(exit_.wait_for(std::chrono::seconds(20)), std::future_status::ready);
    loop_.stop();
    thread_.join();
    results_.drop_heir();
  }
  void give_place() {
    on_loop([this] { predecessor_->begin(); });
  }
  /// As at SIGTERM.
  void drain() {
    ask([this] { keeper_->drain(); });
  }
  /// What serve() does once its loop has ended.
  void abandon() {
    ask([this] { predecessor_->abandon(); });
  }
  std::size_t committed() {
    return ask([this] { return results_.committed().size(); });
  }
  bool is_gone() {
    return ask([this] { return keeper_->role() == agent::Keeper::Role::gone; });
  }
  bool serves() const { return serves_; }
  bool has_ended() { return exit_.wait_for(std::chrono::seconds(20)) == std::future_status::ready; }
  int exit_status() { return has_ended() ? exit_.get() : -1; }
  std::string failed_upgrade() {
    return ask([this] {
      const auto& failed = board_.status().failed_upgrade;
      return failed ? failed->error.message : std::string();
    });
  }
  int lock() const { return lock_.descriptor(); }

 private:
  template <class Do>
  void on_loop(Do what) {
    boost::asio::post(loop_, std::move(what));
  }
  /// What it returns on the loop.
  template <class What>
  std::invoke_result_t<What> ask(What what) {
    return boost::asio::post(loop_, boost::asio::use_future(std::move(what))).get();
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

inline void say(int socket, agent::HandoverType type, std::string_view payload = {}) {
  const std::string frame = agent::encode_frame(type, payload);
  EXPECT_EQ(::send(socket, frame.data(), frame.size(), MSG_NOSIGNAL), static_cast<ssize_t>(frame.size()));
}

/// All frames up to one of that type; empty when it does not come.
inline std::vector<agent::HandoverFrame> heard_until(int socket, agent::HandoverType type) {
  std::vector<agent::HandoverFrame> heard;
  agent::HandoverReader reader;
  char piece[4096];
  for (ssize_t size = 0; (size = ::recv(socket, piece, sizeof piece, 0)) > 0;) {
    reader.feed({piece, static_cast<std::size_t>(size)});
    for (auto frame = reader.next(); frame && *frame; frame = reader.next()) {
      heard.push_back(std::move(**frame));
      if (heard.back().type == type) return heard;
    }
  }
  return {};
}

inline bool hear(int socket, agent::HandoverType type) {
  return !heard_until(socket, type).empty();
}

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
  /// The test takes the part of the process before: its end of the pair, once the successor has logged in.
  int precede() {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    say(ends[0], agent::HandoverType::greeting,
        agent::encode_greeting({ids_.of<DeliveryId>().uuid, {}, 1, 1}));
    succeed(ends[1]);
    EXPECT_TRUE(hear(ends[0], agent::HandoverType::logged_in));
    return ends[0];
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
  /// Outcomes that a process finds which starts now.
  std::size_t journalled() {
    const auto read = agent::ResultKeeper::open(dir_.journal_file(who_.agent_id), {});
    return read ? (*read)->entries() : 0;
  }
  /// As postern agents rotate does; the relay asks each session once.
  void ask_rotation() {
    authority_.change(who_.agent_id, [](AgentVerifier& known) { known.rotation_asked = true; });
    hub_->check_access();
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

}  // namespace postern::relay
