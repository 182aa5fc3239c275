// bench_store [--events N] [--dir DIR] [--in-flight 64|256] [--busy-pages N] [--idle-pages N]: the event log
// against a bare group-commit writer of the same rows.
//
// Both run in this process, on this disk, one after the other and several times: the ratio is what counts,
// absolute figures move with the machine. One thread keeps a fixed number of appends in flight, as a loop
// full of connections does; one thread writes.

#include <sqlite3.h>

#include <condition_variable>
#include <cstdio>
#include <filesystem>

#include "base/crypto.hpp"
#include "relay/store/lease_token.hpp"
#include "relay/store/packing.hpp"
#include "relay/store/sqlite/event_log.hpp"

namespace postern::relay {
namespace {

using Steady = std::chrono::steady_clock;

struct Run {
  double per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double max_us = 0;
};

/// Keeps `in_flight` operations going on one loop until `total` have ended.
class ClosedLoop {
 public:
  using Start = std::function<void(std::size_t index, std::function<void()> done)>;
  ClosedLoop(std::size_t total, std::size_t in_flight, Start start)
      : total_(total), in_flight_(in_flight), start_(std::move(start)) {
    micros_.reserve(total);
  }

  Run run(boost::asio::io_context& loop) {
    auto guard = boost::asio::make_work_guard(loop);
    guard_ = &guard;
    const auto began = Steady::now();
    boost::asio::post(loop, [this] {
      for (std::size_t i = 0; i < in_flight_; ++i) next();
    });
    loop.run();
    const std::chrono::duration<double> took = Steady::now() - began;
    std::ranges::sort(micros_);
    return {static_cast<double>(total_) / took.count(), at(0.5), at(0.99), micros_.back()};
  }

 private:
  void next() {
    if (started_ == total_) return;
    const auto began = Steady::now();
    start_(started_++, [this, began] {
      micros_.push_back(std::chrono::duration<double, std::micro>(Steady::now() - began).count());
      if (micros_.size() == total_)
        guard_->reset();
      else
        next();
    });
  }
  double at(double share) const {
    return micros_[static_cast<std::size_t>(share * static_cast<double>(micros_.size() - 1))];
  }

  std::size_t total_;
  std::size_t in_flight_;
  Start start_;
  std::size_t started_ = 0;
  std::vector<double> micros_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type>* guard_ = nullptr;
};

/// The rows of one kind of event: 1 KiB of body and what a provider's headers come to.
class Rows {
 public:
  Rows(const Clock& clock, Random& random) : clock_(clock), random_(random), ids_(clock, random) {
    body_ = "{\"padding\":\"" + std::string(1024 - 14, 'x') + "\"}";
    headers_ = {{"Host", "relay.example.com"},
                {"User-Agent", "Stripe/1.0 (+https://stripe.com/docs/webhooks)"},
                {"Content-Type", "application/json; charset=utf-8"},
                {"Content-Length", "1024"},
                {"Stripe-Signature", "t=1700000000,v1=" + std::string(64, 'a')},
                {"Accept", "*/*; q=0.5, application/xml"}};
    workspace = ids_.of<WorkspaceId>();
    source = ids_.of<SourceId>();
    destination = ids_.of<DestinationId>();
  }

  std::shared_ptr<const Event> event() {
    auto event = std::make_shared<Event>();
    event->id = ids_.of<EventId>();
    event->workspace_id = workspace;
    event->source_id = source;
    event->type = "invoice.paid";
    event->dedupe_key = "evt_" + hex_encode_8(random_.u64()) + hex_encode_8(random_.u64());
    event->verified = true;
    event->method = "POST";
    event->target = "/in/default/stripe";
    event->headers = headers_;
    event->body = body_;
    event->peer = "192.0.2.1:50000";
    event->received_at = clock_.now();
    return event;
  }
  DeliveryId delivery() { return ids_.of<DeliveryId>(); }

  WorkspaceId workspace;
  SourceId source;
  DestinationId destination;

 private:
  static std::string hex_encode_8(std::uint64_t word) { return fmt::format("{:016x}", word); }

  const Clock& clock_;
  Random& random_;
  IdGenerator ids_;
  std::string body_;
  http::Headers headers_;
};

/// A table with one ordered key, a queue and a thread that commits what is queued: as little as can be
/// durable.
class BareWriter {
 public:
  explicit BareWriter(const std::string& file) : connection_(file, sqlite::Mode::writer, {}) {
    connection_.script(
        "CREATE TABLE event (id BLOB PRIMARY KEY, workspace_id BLOB, source_id BLOB, received_at INTEGER, "
        "type TEXT, "
        "dedupe_key BLOB, method TEXT, target BLOB, peer TEXT, headers BLOB, body BLOB)");
    thread_ = std::thread([this] { run(); });
  }
  ~BareWriter() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    arrived_.notify_one();
    thread_.join();
  }
  struct Job {
    std::shared_ptr<const Event> event;
    std::string headers;
    std::function<void()> done;
  };
  void append(std::shared_ptr<const Event> event, boost::asio::any_io_executor reply_on,
              std::function<void()> done) {
    Job job{std::move(event), {}, std::move(done)};
    pack_headers(job.event->headers, job.headers);
    const std::lock_guard lock(mutex_);
    reply_on_ = std::move(reply_on);
    queue_.push_back(std::move(job));
    if (queue_.size() == 1) arrived_.notify_one();
  }

 private:
  void run() {
    while (true) {
      std::vector<Job> group;
      boost::asio::any_io_executor reply_on;
      {
        std::unique_lock lock(mutex_);
        arrived_.wait(lock, [this] { return stop_ || !queue_.empty(); });
        if (queue_.empty()) return;
        group.swap(queue_);
        reply_on = reply_on_;
      }
      commit(group);
      if (connection_.log_pages() >= 16'000) {
        connection_.checkpoint_passive();
        connection_.forget_log_pages();
      }
      boost::asio::post(reply_on, [group = std::move(group)] {
        for (const Job& job : group) job.done();
      });
    }
  }
  void commit(const std::vector<Job>& group) {
    connection_.use("BEGIN IMMEDIATE")->step();
    for (const Job& job : group) {
      const Event& it = *job.event;
      const auto insert =
          connection_.use("INSERT INTO event VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
      insert->bind_blob(1, it.id.bytes());
      insert->bind_blob(2, it.workspace_id.bytes());
      insert->bind_blob(3, it.source_id.bytes());
      insert->bind(4, to_micros(it.received_at));
      insert->bind_text(5, it.type);
      insert->bind_blob(6, it.dedupe_key);
      insert->bind_text(7, it.method);
      insert->bind_blob(8, it.target);
      insert->bind_text(9, it.peer);
      insert->bind_blob(10, job.headers);
      insert->bind_blob(11, it.body);
      insert->step();
    }
    connection_.use("COMMIT")->step();
  }

  sqlite::Connection connection_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<Job> queue_;
  boost::asio::any_io_executor reply_on_;
  bool stop_ = false;
  std::thread thread_;
};

/// Takes every delivery and reports it delivered at once, as many to a call as were handed over.
class InstantDispatcher final : public DeliveryIntake {
 public:
  InstantDispatcher(EventLog& log, const Clock& clock) : log_(log), clock_(clock) {}
  Admission admit(const NewDelivery&, const Event&) override { return {DeliveryState::leased, ""}; }
  void handed_over(std::vector<LeasedDelivery> deliveries) override {
    std::vector<Completion> completions;
    for (const auto& it : deliveries) {
      Attempt attempt;
      attempt.delivery_id = it.delivery.id;
      attempt.number = 1;
      attempt.outcome = Outcome::delivered;
      attempt.url = "https://example.com/hook";
      attempt.response_status = 200;
      attempt.response_headers = {{"Content-Length", "2"}, {"Server", "nginx"}};
      attempt.response_body = "ok";
      attempt.started_at = clock_.now();
      completions.push_back(
          {it.delivery.id, it.lease_token, std::move(attempt), DeliveryState::delivered, {}, "http_200"});
    }
    log_.complete(std::move(completions), {});
  }
  void wake() override {}

 private:
  EventLog& log_;
  const Clock& clock_;
};

struct Setting {
  std::size_t events = 200'000;
  std::filesystem::path dir = std::filesystem::temp_directory_path();
  CheckpointPolicy checkpoint;
  std::size_t in_flight = 0;  ///< 0: 64 and 256
};

std::filesystem::path fresh(const Setting& setting) {
  const auto dir = setting.dir / "postern-bench-store";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  return dir;
}

Run run_bare(const Setting& setting, std::size_t in_flight) {
  SystemClock clock;
  SystemRandom random;
  Rows rows(clock, random);
  BareWriter writer((fresh(setting) / "bare.db").string());
  boost::asio::io_context loop(1);
  return ClosedLoop(setting.events, in_flight,
                    [&](std::size_t, std::function<void()> done) {
                      writer.append(rows.event(), loop.get_executor(), std::move(done));
                    })
      .run(loop);
}

Run run_log(const Setting& setting, std::size_t in_flight, bool deliver) {
  SystemClock clock;
  SystemRandom random;
  Rows rows(clock, random);
  SqliteOptions options;
  options.writer.checkpoint = setting.checkpoint;
  auto db = SqliteDatabase::open(fresh(setting) / "log.db", std::move(options), clock.now());
  if (!db) throw std::runtime_error(db.error().message);
  auto log = SqliteEventLog::open(**db, clock, random);
  if (!log) throw std::runtime_error(log.error().message);
  InstantDispatcher dispatcher(**log, clock);
  if (deliver) (*log)->attach(dispatcher);
  boost::asio::io_context loop(1);
  const Run run = ClosedLoop(setting.events, in_flight, [&](std::size_t, std::function<void()> done) {
                    NewEvent event{rows.event(), {}, std::chrono::hours(24 * 7)};
                    if (deliver) event.deliveries.push_back({rows.delivery(), rows.destination});
                    (*log)->append(std::move(event), loop.get_executor(),
                                   [done = std::move(done)](Result<Appended> outcome) {
                                     if (!outcome || outcome->duplicate)
                                       throw std::runtime_error("append failed");
                                     done();
                                   });
                  }).run(loop);
  const StoreStats stats = (*db)->stats();
  fmt::print("    {:.1f} tasks/commit, {:.0f} us in COMMIT, {} checkpoints of {:.1f} ms\n",
             static_cast<double>(stats.tasks) / static_cast<double>(stats.commits),
             static_cast<double>(stats.commit_micros) / static_cast<double>(stats.commits), stats.checkpoints,
             stats.checkpoints
                 ? static_cast<double>(stats.checkpoint_micros) / 1e3 / static_cast<double>(stats.checkpoints)
                 : 0.0);
  return run;
}

void print(std::string_view what, std::size_t in_flight, const Run& run, double bare) {
  fmt::print(
      "{:<28} {:>4} in flight  {:>8.0f}/s  {:>5.2f} of bare  p50 {:>6.0f} us  p99 {:>7.0f} us  max {:>7.0f} "
      "us\n",
      what, in_flight, run.per_second, run.per_second / bare, run.p50_us, run.p99_us, run.max_us);
  std::fflush(stdout);
}

}  // namespace
}  // namespace postern::relay

int main(int argc, char** argv) {
  using namespace postern::relay;
  Setting setting;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--events") setting.events = std::stoull(argv[i + 1]);
    if (flag == "--dir") setting.dir = argv[i + 1];
    if (flag == "--busy-pages") setting.checkpoint.busy_pages = std::stoi(argv[i + 1]);
    if (flag == "--idle-pages") setting.checkpoint.idle_pages = std::stoi(argv[i + 1]);
    if (flag == "--in-flight") setting.in_flight = std::stoull(argv[i + 1]);
  }
  for (const std::size_t in_flight : {std::size_t{64}, std::size_t{256}}) {
    if (setting.in_flight != 0 && setting.in_flight != in_flight) continue;
    for (int round = 0; round < 2; ++round) {
      const Run bare = run_bare(setting, in_flight);
      print("bare writer", in_flight, bare, bare.per_second);
      print("event log", in_flight, run_log(setting, in_flight, false), bare.per_second);
      print("event log, delivered", in_flight, run_log(setting, in_flight, true), bare.per_second);
    }
  }
  std::filesystem::remove_all(setting.dir / "postern-bench-store");
}
