#include "agent/status_view.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "agent/status.hpp"
#include "temp_dir.hpp"

namespace postern::agent {
namespace {

using testing::HasSubstr;
using testing::Not;
using namespace std::chrono_literals;

/// A state directory that an agent serves, when locked.
class StatusViewTest : public testing::Test {
 protected:
  StatusViewTest() {
    Identity identity;
    identity.secret = std::string(32, 's');
    identity.relay = {"relay.example", 8443};
    identity.pins = {std::string(32, 'p')};
    EXPECT_TRUE(state_dir_.save(identity));
  }
  void serve() { lock_.emplace(state_dir_.lock()); }
  boost::json::object read() { return read_status(state_dir_, clock_.now()).value(); }
  std::string text() { return render_status(read(), clock_.now()); }

  TempDir dir_;
  StateDir state_dir_{dir_.path()};
  ManualClock clock_;
  StatusBoard board_{state_dir_.status_file(), clock_};
  std::optional<Result<FileLock>> lock_;
};

TEST_F(StatusViewTest, ARelayMayGiveAnyGeneration) {
  serve();
  board_.before_writing([this](Status& status) {
    status.session_list = {{.state = "connected",
                            .relay = "203.0.113.7:8443",
                            .since = clock_.now(),
                            .generation = std::numeric_limits<std::uint64_t>::max()}};
  });
  board_.enter(Phase::connected);
  EXPECT_THAT(text(), HasSubstr("generation 18446744073709551615"));
}

TEST_F(StatusViewTest, ShowsEachSessionAndWhetherItIsLive) {
  serve();
  board_.before_writing([this](Status& status) {
    status.session_list = {{.state = "connected",
                            .relay = "203.0.113.7:8443",
                            .since = clock_.now() - 2h - 5min,
                            .generation = 41,
                            .round_trip = 12'300us,
                            .in_flight = 3,
                            .probed_at = clock_.now() - 12s},
                           {.state = "connected", .relay = "203.0.113.8:8443", .since = clock_.now() - 1s},
                           {.state = "waiting"}};
    status.sessions_open = 2;
  });
  board_.enter(Phase::connected);
  EXPECT_THAT(text(),
              HasSubstr("0 connected to 203.0.113.7:8443 for 2 h 5 min, generation 41, round trip 12.3 ms, "
                        "live (probed 12 s ago), 3 in flight\n"));
  EXPECT_THAT(text(), HasSubstr("1 connected to 203.0.113.8:8443 for 1 s, generation 0, not probed yet\n"));
  EXPECT_THAT(text(), HasSubstr("2 waiting\n"));
  EXPECT_TRUE(is_connected(read()));
}

TEST_F(StatusViewTest, ShowsAppsJournalAndConfiguration) {
  serve();
  Status& status = board_.status();
  status.apps = {{"localhost:9000", false, "connect_failed", 0, 0}, {"unix:/run/app.sock", true, "", 3, 8}};
  status.journal = {3, 2048, 1};
  status.granted = 256;
  status.deliveries.in_flight = 2;
  status.config = {"/etc/postern-agent/agent.toml", clock_.now(), Error{"invalid_config", "line 2 is wrong"}};
  board_.enter(Phase::connected);
  EXPECT_THAT(text(), HasSubstr("localhost:9000: connect_failed\n"));
  EXPECT_THAT(text(), HasSubstr("unix:/run/app.sock: reachable, 3 of 8 in flight\n"));
  EXPECT_THAT(text(), HasSubstr("3 outcomes to be confirmed, 2.0 KiB; 1 were dropped for room\n"));
  EXPECT_THAT(text(), HasSubstr("2 of 256 in flight; "));
  EXPECT_THAT(text(), HasSubstr("REFUSED since: line 2 is wrong\n"));
}

TEST_F(StatusViewTest, ShowsVersionAFailedUpgradeAndTheInspector) {
  serve();
  Status& status = board_.status();
  status.inspector = "http://127.0.0.1:4040/#token=abc";
  status.failed_upgrade = {clock_.now(), Error{"upgrade_failed", "It ended with status 2."}};
  board_.enter(Phase::connected);
  clock_.advance(20s);
  EXPECT_THAT(text(), HasSubstr("\nversion      " POSTERN_VERSION "\n"));
  EXPECT_THAT(text(),
              HasSubstr("\nupgrade      FAILED 20 s ago, so this version goes on: It ended with status 2. "
                        "(upgrade_failed)\n"));
  EXPECT_THAT(text(), HasSubstr("\ninspector    http://127.0.0.1:4040/#token=abc\n"));
  lock_.reset();
  EXPECT_THAT(text(), Not(HasSubstr("inspector")));
}

TEST_F(StatusViewTest, NothingInItIsForTheTerminalToObey) {
  serve();
  board_.failed({"busy", "\x1b]0;mine\x07\nphase        connected"});
  board_.status().relay = "relay\x1b[2J:1";
  board_.enter(Phase::waiting);
  EXPECT_THAT(text(), Not(HasSubstr("\x1b")));
  EXPECT_THAT(text(), HasSubstr("\\x1b]0;mine\\x07\\x0aphase "));
}

TEST_F(StatusViewTest, CountsAnErrorThatComesAgainAndKeepsTheLastFew) {
  serve();
  for (int i = 0; i < 9; ++i) board_.failed({"old", fmt::format("error {}", i)});
  for (int i = 0; i < 3; ++i) board_.failed({"connect_failed", "Nobody answers."});
  board_.enter(Phase::waiting);
  clock_.advance(4s);
  EXPECT_THAT(text(), HasSubstr("4 s ago, 3 times: Nobody answers. (connect_failed)\n"));
  EXPECT_EQ(read().at("errors").as_array().size(), kErrorsKept);
  EXPECT_THAT(text(), Not(HasSubstr("error 4")));
}

TEST_F(StatusViewTest, SaysThatAProcessIsGone) {
  EXPECT_THAT(text(), HasSubstr("not running, and never did"));
  board_.enter(Phase::connected);
  clock_.advance(90s);
  EXPECT_EQ(read().at("phase"), "not_running");
  EXPECT_EQ(read().at("stale"), true);
  EXPECT_FALSE(is_connected(read()));
  EXPECT_THAT(text(), HasSubstr(fmt::format("not running; what process {} said last, 1 min 30 s ago, follows",
                                            ::getpid())));
}

TEST_F(StatusViewTest, SaysThatAProcessStandsStill) {
  serve();
  board_.enter(Phase::connected);
  clock_.advance(kStatusStale - 1s);
  EXPECT_TRUE(is_connected(read()));
  clock_.advance(1s);
  EXPECT_FALSE(is_connected(read()));
  EXPECT_THAT(text(), HasSubstr("it may be stuck"));
}

TEST_F(StatusViewTest, WhatAnotherVersionWroteIsShownAsFarAsItIsKnown) {
  serve();
  ASSERT_TRUE(replace_file(state_dir_.status_file(), R"({"phase":"connected","session_list":7,"apps":[1]})",
                           Durable::no));
  EXPECT_THAT(text(), HasSubstr("connected"));
  ASSERT_TRUE(replace_file(state_dir_.status_file(), "torn {", Durable::no));
  EXPECT_FALSE(is_connected(read()));
  EXPECT_FALSE(text().empty());
}

TEST_F(StatusViewTest, WithoutAnAgentSaysHowToGetOne) {
  const StateDir none(dir_ / "none");
  EXPECT_EQ(read_status(none, clock_.now()).error().code, "not_joined");
}

}  // namespace
}  // namespace postern::agent
