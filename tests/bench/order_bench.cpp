// bench_order --database URL [--deliveries N] [--keys K] [--arriving N]: what a claim in order costs while a
// snapshot is held from before the first one.
//
// Deliveries are claimed and recorded as delivered, as many to a claim as the dispatcher asks for. First all
// of them wait; with --arriving so many are stored at a time, and claimed before the next ones are. Keys: 0,
// one order for the whole destination. Says in JSON what a claim took in the first and in the last
// tenth of them.
#include <CLI/CLI.hpp>

#include <cstdio>
#include <filesystem>
#include <future>
#include <numeric>
#include <thread>

#include "relay/store/open_store.hpp"
#include "relay/store/postgres/connection.hpp"
#include "relay/store/repositories.hpp"

namespace postern::relay {
namespace {

struct Setting {
  std::string database;
  std::size_t deliveries = 50'000;
  std::size_t keys = 0;
  std::size_t arriving = 0;
};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

template <class T>
T wait_for(const std::function<void(std::function<void(Result<T>)>)>& start) {
  std::promise<Result<T>> promise;
  start([&](Result<T> result) { promise.set_value(std::move(result)); });
  return must(promise.get_future().get());
}

class OrderBench {
 public:
  OrderBench(const Setting& setting, const std::filesystem::path& dir) : setting_(setting) {
    StoreOptions options;
    options.data_dir = dir;
    options.postgres.url = setting.database;
    options.postgres.label = "bench";
    store_ = must(open_store(options, clock_, random_, ids_));
    make_destination();
  }

  void run() {
    if (setting_.arriving == 0) store_some(setting_.deliveries);
    const std::atomic<bool> never{false};
    pg::Connection holder({.url = setting_.database, .application = "bench", .idle_time = {}}, never);
    holder.script("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM delivery");
    while (ended_ < setting_.deliveries) {
      if (setting_.arriving > 0) store_some(setting_.arriving);
      while (claim_and_record() || after_ != kNoOrder) {
      }
    }
    const auto tenth = static_cast<std::ptrdiff_t>(claims_ms_.size() / 10);
    fmt::print(R"({{"claims": {}, "first_tenth_ms": {:.2f}, "last_tenth_ms": {:.2f}}})", claims_ms_.size(),
               mean(claims_ms_.begin(), claims_ms_.begin() + tenth),
               mean(claims_ms_.end() - tenth, claims_ms_.end()));
  }

 private:
  using Times = std::vector<double>;
  static double mean(Times::const_iterator from, Times::const_iterator to) {
    return std::accumulate(from, to, 0.0) / static_cast<double>(std::max<std::ptrdiff_t>(to - from, 1));
  }

  void make_destination() {
    Source source;
    source.id = source_;
    source.workspace_id = workspace();
    source.name = source.provider = "github";
    source.secrets = {"secret"};
    Destination destination;
    destination.id = destination_;
    destination.workspace_id = workspace();
    destination.name = "bench";
    destination.url = "https://example.com/hook";
    destination.retry_schedule = {Duration(0)};
    const auto made = write_and_wait(*store_->database, [&](Transaction& tx) -> Result<void> {
      if (auto done = SourceRepository(tx, store_->keyring).create(source); !done) return done;
      return DestinationRepository(tx, store_->keyring).create(destination);
    });
    if (!made) throw std::runtime_error(made.error().message);
  }

  void store_some(std::size_t count) {
    loop_.restart();
    for (std::size_t i = 0; i < count; ++i) {
      store_->event_log->append(made(), loop_.get_executor(),
                                [](Result<Appended> outcome) { must(outcome); });
      if (i % 1'000 == 999) drain();
    }
    drain();
  }
  /// Until all that was sent is stored.
  void drain() {
    while (store_->event_log->stats().events < stored_)
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    loop_.restart();
    loop_.poll();
  }
  NewEvent made() {
    Event event;
    event.id = ids_.of<EventId>();
    event.workspace_id = workspace();
    event.source_id = source_;
    event.dedupe_key = event.id.to_string();
    event.method = "POST";
    event.target = "/in";
    event.body = std::string(200, 'x');
    event.received_at = clock_.now();
    NewEvent made{std::make_shared<const Event>(std::move(event)), {}, std::chrono::hours(24)};
    const OrderKey key = setting_.keys == 0 ? kWholeDestination
                                            : kLeastValueKey + static_cast<OrderKey>(stored_ % setting_.keys);
    made.deliveries.push_back(
        {.id = ids_.of<DeliveryId>(), .destination_id = destination_, .order_key = key});
    ++stored_;
    return made;
  }

  bool claim_and_record() {
    const auto began = std::chrono::steady_clock::now();
    auto heads = wait_for<EventLog::Heads>([&](auto done) {
      const std::size_t limit = setting_.keys == 0 ? 64 : 100;
      store_->event_log->claim_heads(
          {destination_, clock_.now(), after_, limit, setting_.keys == 0 ? 64U : 12U}, std::move(done));
    });
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
    claims_ms_.push_back(took.count());
    after_ = heads.seen_to;
    std::vector<Completion> over;
    over.reserve(heads.leased.size());
    for (const LeasedDelivery& it : heads.leased)
      over.push_back({it.delivery.id, it.lease_token, {}, DeliveryState::delivered, {}, "http_200"});
    if (over.empty()) return false;
    ended_ += over.size();
    wait_for<std::size_t>([&](auto done) { store_->event_log->complete(std::move(over), std::move(done)); });
    return true;
  }
  WorkspaceId workspace() const { return store_->default_workspace.id; }

  const Setting setting_;
  SystemClock clock_;
  SystemRandom random_;
  IdGenerator ids_{clock_, random_};
  boost::asio::io_context loop_;
  std::unique_ptr<Store> store_;
  const SourceId source_ = ids_.of<SourceId>();
  const DestinationId destination_ = ids_.of<DestinationId>();
  OrderKey after_ = kNoOrder;
  std::size_t stored_ = 0, ended_ = 0;
  Times claims_ms_;
};

}  // namespace
}  // namespace postern::relay

int main(int argc, char** argv) {
  postern::relay::Setting setting;
  CLI::App app;
  app.add_option("--database", setting.database)->required();
  app.add_option("--deliveries", setting.deliveries);
  app.add_option("--keys", setting.keys);
  app.add_option("--arriving", setting.arriving);
  CLI11_PARSE(app, argc, argv);
  std::string dir = std::filesystem::temp_directory_path() / "postern-bench-XXXXXX";
  if (::mkdtemp(dir.data()) == nullptr) return 1;
  postern::relay::OrderBench(setting, dir).run();
  std::filesystem::remove_all(dir);
}
