#pragma once
#include <gtest/gtest.h>

#include <thread>

#include "relay/store/postgres/connection.hpp"
#include "tests/support/postgres_server.hpp"

namespace postern::relay {

/// A database of its own on the test run's server, for as long as it lives.
class TestDatabase {
 public:
  TestDatabase() : name_(fmt::format("t{}_{}", ::getpid(), ++made_)) {
    admin().run(fmt::format("CREATE DATABASE {}", name_));
  }
  /// The server's own vacuum may be at work in it, which its owner has no right to end.
  ~TestDatabase() {
    std::string fault;
    for (int tries = 0; tries < 50; ++tries) {
      try {
        admin().run(fmt::format("DROP DATABASE {} WITH (FORCE)", name_));
        return;
      } catch (const std::exception& thrown) {
        fault = thrown.what();
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
      }
    }
    ADD_FAILURE() << fault;
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  std::string url() const {
    const std::string& server = test_postgres_url();
    return server.substr(0, server.rfind('/') + 1) + name_;
  }
  /// As the relay's own role, beside the relay.
  pg::Connection connect() const { return pg::Connection({.url = url(), .application = "test"}, never_); }

 private:
  static pg::Connection admin() {
    return pg::Connection(
        {.url = test_postgres_url(), .application = "test", .statement_time = {}, .silence_time = {}},
        never_);
  }

  inline static const std::atomic<bool> never_{false};
  inline static int made_ = 0;
  const std::string name_;
};

}  // namespace postern::relay
