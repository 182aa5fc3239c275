#include "control/serve.hpp"

#include <sys/resource.h>
#include <sys/stat.h>

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/log.hpp"
#include "base/spawn.hpp"
#include "control/cli/exit_codes.hpp"
#include "control/node.hpp"
#include "control/store_options.hpp"

namespace postern::control {
namespace {

namespace asio = boost::asio;

constexpr Duration kFatalGrace = std::chrono::milliseconds(500);

/// What the process needs of the system before anything else.
void prepare_process() {
  std::signal(SIGPIPE, SIG_IGN);  // a peer that went away is an error of that write, not of the process
  std::signal(SIGXFSZ,
              SIG_IGN);  // a file at its limit is a store that cannot commit: said by the store, then the end
  ::umask(0077);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
    files.rlim_cur = files.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &files) != 0)
      log::warn("serve.file_limit_kept", {{"limit", files.rlim_cur}});
  }
}

[[noreturn]] void leave(int code) {
  std::fflush(nullptr);
  std::_Exit(code);
}

/// The main thread: signals, the drain they start, and the end. The node's own work is on its loops.
class Service {
 public:
  explicit Service(const Settings& settings)
      : signals_(context_, SIGTERM, SIGINT),
        hangups_(context_, SIGHUP),
        node_(settings, [this](const std::string& why) { store_broke(why); }) {}

  int run() {
    const auto started = node_.start();
    if (!started) {
      fmt::print(stderr, "postern: {}\n", started.error().message);
      leave_or_close();
      return started.error().code == "store_failed" ? kExitStore : kExitFailed;
    }
    fmt::print("{}\n", node_.ready_line());
    std::fflush(stdout);
    log::info("serve.ready", {{"listeners", node_.ready_line().substr(6)}});
    await_signal();
    await_hangup();
    context_.run();
    leave_or_close();
    return code_;
  }

 private:
  void leave_or_close() {
    if (node_.close()) return;
    log::warn("serve.cut", {{"detail", "something did not end in time; it is taken up by the next start"}});
    leave(code_);
  }

  void await_signal() {
    signals_.async_wait([this](boost::system::error_code ec, int signal) {
      if (ec) return;
      if (draining_) {
        log::warn("serve.forced", {{"signal", signal}});
        leave(kExitForced);
      }
      draining_ = true;
      log::info("serve.draining", {{"signal", signal}});
      await_signal();
      spawn(context_.get_executor(), drain(), "serve.drain");
    });
  }

  /// The files that may change; a terminal that went away is no reason to end.
  void await_hangup() {
    hangups_.async_wait([this](boost::system::error_code ec, int) {
      if (ec || draining_) return;
      log::info("serve.reload");
      node_.reload();
      await_hangup();
    });
  }

  asio::awaitable<void> drain() {
    co_await node_.drain();
    signals_.cancel();
    context_.stop();
  }

  /// On a thread of the store. Nothing is acknowledged any more; what waits for an answer gets its 503, and
  /// then the process ends, so that whoever watches it starts it again on a store that is sound.
  void store_broke(const std::string& why) {
    log::error("store.broken",
               {{"error", why}, {"detail", "nothing is acknowledged any more; the process ends"}});
    asio::post(context_, [this] {
      code_ = kExitStore;
      auto timer = std::make_shared<asio::steady_timer>(context_, kFatalGrace);
      timer->async_wait([timer](boost::system::error_code) { leave(kExitStore); });
    });
  }

  asio::io_context context_{1};
  asio::signal_set signals_;
  asio::signal_set hangups_;
  Node node_;
  bool draining_ = false;
  int code_ = kExitOk;
};

}  // namespace

int serve(const Settings& settings) {
  prepare_process();
  Service service(settings);
  return service.run();
}

int migrate(const Settings& settings) {
  ::umask(0077);
  const SystemClock clock;
  const auto report = relay::migrate_store(store_options(settings), clock.now());
  if (!report) {
    fmt::print(stderr, "postern: {}\n", report.error().message);
    return kExitFailed;
  }
  for (const std::string& name : report->applied) fmt::print("applied {}\n", name);
  const std::string where = settings.database.empty() ? settings.data_dir.string() : "PostgreSQL";
  fmt::print("{}: schema {}{}\n", where, report->after, report->applied.empty() ? ", nothing to do" : "");
  return kExitOk;
}

}  // namespace postern::control
