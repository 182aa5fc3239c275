#pragma once
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include "relay/store/open_store.hpp"
#include "relay/store/repositories.hpp"
#include "relay/store/rows.hpp"
#include "tests/unit/store/postgres_database_fixture.hpp"

namespace postern::relay {

/// A directory of its own that goes with the test.
class TempDir {
 public:
  TempDir() {
    std::string name = std::filesystem::temp_directory_path() / "postern-store-XXXXXX";
    if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp");
    path_ = name;
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A dispatcher that answers as told and remembers what it was given.
class ScriptedIntake final : public DeliveryIntake {
 public:
  Admission admit(const NewDelivery& delivery, const Event&) override {
    const std::lock_guard lock(mutex_);
    asked.push_back(delivery.id);
    return answer;
  }
  void handed_over(std::vector<LeasedDelivery> deliveries) override {
    const std::lock_guard lock(mutex_);
    ++groups;
    for (auto& it : deliveries) leased.push_back(std::move(it));
  }
  void wake() override {
    const std::lock_guard lock(mutex_);
    ++wakes;
  }

  Admission answer{DeliveryState::leased, ""};
  std::vector<DeliveryId> asked;
  std::vector<LeasedDelivery> leased;
  int groups = 0;
  int wakes = 0;

 private:
  std::mutex mutex_;
};

enum class Engine { sqlite, postgres };

class StoreTest : public ::testing::Test {
 protected:
  virtual Engine engine() const { return Engine::sqlite; }
  void SetUp() override { open(); }

  void open() {
    StoreOptions options;
    options.data_dir = dir.path() / "data";
    options.sqlite.writer.low_water = {.bytes = 0, .share_of_disk = 0};
    options.sqlite.writer.on_fatal = [this](const std::string&) { ++fatal; };
    if (engine() == Engine::postgres) {
      if (!server_database) server_database.emplace();
      options.postgres.url = server_database->url();
      options.postgres.label = "test";
    }
    adjust(options);
    auto opened = open_store(options, clock, random, ids);
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
    store->event_log->attach(intake);
    workspace = store->default_workspace.id;
  }
  virtual void adjust(StoreOptions&) {}
  void reopen() {
    store.reset();
    open();
  }

  Database& db() { return *store->database; }
  EventLog& log() { return *store->event_log; }

  template <class T>
  Result<T> write(std::function<Result<T>(Transaction&)> job) {
    auto value = std::make_shared<std::optional<Result<T>>>();
    auto outcome = write_and_wait(db(), [&, value](Transaction& tx) -> Result<void> {
      *value = job(tx);
      if (!**value) return std::unexpected((*value)->error());
      return {};
    });
    if (!outcome) return std::unexpected(outcome.error());
    return std::move(**value);
  }
  Result<void> write_void(std::function<Result<void>(Transaction&)> job) { return write_and_wait(db(), job); }
  template <class Fn>
  auto read(Fn fn) {
    using T = std::invoke_result_t<Fn, Transaction&>;
    std::optional<T> value;
    auto outcome = read_and_wait(db(), [&](Transaction& tx) { value.emplace(fn(tx)); });
    if (!outcome) throw std::runtime_error(outcome.error().message);
    return std::move(*value);
  }
  std::int64_t number(const std::string& sql) {
    return read([&](Transaction& tx) {
      std::int64_t found = -1;
      tx.query(sql, {}, [&](const Row& row) { found = row.integer(0); });
      return found;
    });
  }

  Workspace make_workspace(const std::string& name) {
    Workspace made{ids.of<WorkspaceId>(), name, clock.now()};
    auto done = write_void([&](Transaction& tx) -> Result<void> {
      WorkspaceRepository repository(tx);
      if (auto created = repository.create(made, store->keyring); !created) return created;
      return repository.load_data_keys(store->keyring);
    });
    EXPECT_TRUE(done);
    return made;
  }
  Source make_source(WorkspaceId in, const std::string& name) {
    Source source;
    source.id = ids.of<SourceId>();
    source.workspace_id = in;
    source.name = name;
    source.provider = "stripe";
    source.secrets = {"whsec_first", std::string("bytes\0too", 9)};
    source.created_at = source.updated_at = clock.now();
    EXPECT_TRUE(
        write_void([&](Transaction& tx) { return SourceRepository(tx, store->keyring).create(source); }));
    return source;
  }
  Destination make_destination(WorkspaceId in, const std::string& name) {
    Destination it;
    it.id = ids.of<DestinationId>();
    it.workspace_id = in;
    it.name = name;
    it.url = "https://example.com/hook";
    it.signing_secret = "whsec_signing";
    it.retry_schedule = {Duration(0), std::chrono::seconds(5)};
    it.final_statuses = {404, 422};
    it.created_at = it.updated_at = clock.now();
    EXPECT_TRUE(
        write_void([&](Transaction& tx) { return DestinationRepository(tx, store->keyring).create(it); }));
    return it;
  }

  Event make_event(WorkspaceId in, SourceId source, const std::string& key) {
    Event event;
    event.id = ids.of<EventId>();
    event.workspace_id = in;
    event.source_id = source;
    event.type = "invoice.paid";
    event.dedupe_key = key;
    event.verified = true;
    event.method = "POST";
    event.target = "/in/default/a?x=1";
    event.headers = {
        {"Content-Type", "application/json"}, {"X-Twice", "1"}, {"x-twice", std::string("\0\xff", 2)}};
    event.body = std::string("{\"a\":\0}", 7) + "\xff";
    event.peer = "192.0.2.1:999";
    event.received_at = clock.now();
    return event;
  }
  NewEvent with_deliveries(Event event, const std::vector<DestinationId>& destinations) {
    NewEvent made{std::make_shared<const Event>(std::move(event)), {}, std::chrono::hours(24 * 7)};
    for (const auto& id : destinations) made.deliveries.push_back({ids.of<DeliveryId>(), id});
    return made;
  }
  /// Appends and waits until it is durable and handed over.
  Result<Appended> append(NewEvent event) {
    std::optional<Result<Appended>> outcome;
    loop.restart();
    auto guard = boost::asio::make_work_guard(loop);
    log().append(std::move(event), loop.get_executor(), [&](Result<Appended> result) {
      outcome = std::move(result);
      guard.reset();
    });
    loop.run();
    return std::move(*outcome);
  }
  Result<Appended> append(WorkspaceId in, SourceId source, const std::string& key,
                          const std::vector<DestinationId>& destinations = {}) {
    return append(with_deliveries(make_event(in, source, key), destinations));
  }

  template <class T>
  static T wait_for(std::function<void(std::function<void(Result<T>)>)> start) {
    std::promise<Result<T>> promise;
    start([&](Result<T> result) { promise.set_value(std::move(result)); });
    auto result = promise.get_future().get();
    if (!result) throw std::runtime_error(result.error().message);
    return std::move(*result);
  }
  std::vector<LeasedDelivery> claim_due(std::size_t limit = 100, std::vector<DestinationId> except = {}) {
    return wait_for<std::vector<LeasedDelivery>>(
        [&](auto done) { log().claim_due(clock.now(), limit, except, std::move(done)); });
  }
  std::vector<LeasedDelivery> claim_waiting(DestinationId destination, std::size_t limit = 100) {
    return wait_for<std::vector<LeasedDelivery>>(
        [&](auto done) { log().claim_waiting(destination, clock.now(), limit, std::move(done)); });
  }
  std::size_t complete(std::vector<Completion> completions) {
    return wait_for<std::size_t>([&](auto done) { log().complete(std::move(completions), std::move(done)); });
  }
  Completion completion(const LeasedDelivery& leased, DeliveryState next) {
    Attempt attempt;
    attempt.delivery_id = leased.delivery.id;
    attempt.number = leased.tries + 1;
    attempt.outcome = next == DeliveryState::delivered ? Outcome::delivered : Outcome::rejected;
    attempt.response_status = 200;
    attempt.response_headers = {{"Server", "x"}};
    attempt.response_body = std::string("\0ok", 3);
    attempt.url = "https://example.com/hook";
    attempt.total = std::chrono::milliseconds(12);
    attempt.started_at = clock.now();
    return {.delivery_id = leased.delivery.id,
            .lease_token = leased.lease_token,
            .attempt = attempt,
            .next = next,
            .next_at = clock.now() + std::chrono::seconds(5),
            .reason = "http_200"};
  }
  Delivery delivery(DeliveryId id) {
    auto found = read([&](Transaction& tx) { return DeliveryRepository(tx).get(workspace, id); });
    EXPECT_TRUE(found);
    return found ? *found : Delivery{};
  }

  TempDir dir;
  std::optional<TestDatabase> server_database;
  ManualClock clock;
  SystemRandom random;
  IdGenerator ids{clock, random};
  std::atomic<int> fatal{0};
  ScriptedIntake intake;
  boost::asio::io_context loop;  // outlives the store, whose writer may still be in the middle of a post
  std::unique_ptr<Store> store;
  WorkspaceId workspace;
};

/// What every engine must do alike. Instantiate with ENGINES(Suite).
class ConformanceTest : public StoreTest, public ::testing::WithParamInterface<Engine> {
 protected:
  Engine engine() const override { return GetParam(); }
};
#define ENGINES(suite)                                                     \
  INSTANTIATE_TEST_SUITE_P(                                                \
      Engines, suite, ::testing::Values(Engine::sqlite, Engine::postgres), \
      [](const auto& it) { return it.param == Engine::sqlite ? "sqlite" : "postgres"; })

}  // namespace postern::relay
