#pragma once
#include "tests/unit/store/store_fixture.hpp"

namespace postern::relay {

inline constexpr Duration kLease = std::chrono::milliseconds(400);

/// A node with a source and a destination on a database of its own, and others beside it.
class PostgresTest : public StoreTest {
 protected:
  Engine engine() const override { return Engine::postgres; }
  void adjust(StoreOptions& options) override { options.postgres.lease_time = lease_time(); }
  virtual Duration lease_time() const { return kLease; }
  void SetUp() override {
    StoreTest::SetUp();
    source = make_source(workspace, "a");
    destination = make_destination(workspace, "d").id;
  }
  /// Another node on the same database, in a directory of its own with the same master key.
  std::unique_ptr<Store> another(const std::string& name) {
    const auto at = dir.path() / name;
    std::filesystem::create_directory(at);
    std::filesystem::permissions(at, std::filesystem::perms::owner_all);
    std::filesystem::copy_file(dir.path() / "data" / "master.key", at / "master.key");
    StoreOptions options;
    options.data_dir = at;
    options.postgres.url = server_database->url();
    options.postgres.lease_time = lease_time();
    auto opened = open_store(options, clock, random, ids);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
  }
  static std::vector<LeasedDelivery> claim(EventLog& from, Time now) {
    return wait_for<std::vector<LeasedDelivery>>(
        [&](auto done) { from.claim_due(now, 100, {}, std::move(done)); });
  }
  static bool eventually(const std::function<bool()>& check) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!check()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  Source source;
  DestinationId destination;
};

}  // namespace postern::relay
