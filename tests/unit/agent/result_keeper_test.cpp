#include "agent/result_keeper.hpp"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <fstream>

#include "tests/unit/agent/temp_dir.hpp"

namespace postern::agent {
namespace {

class ResultKeeperTest : public testing::Test {
 protected:
  std::unique_ptr<ResultKeeper> open(Journal::Limits limits = {}) {
    auto opened = ResultKeeper::open(path, limits);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().message);
    return opened ? std::move(*opened) : nullptr;
  }
  static DeliveryId id(std::uint8_t number) {
    DeliveryId made;
    made.uuid.fill(number);
    return made;
  }
  static Outcome answered(std::size_t size = 10) {
    Outcome outcome{1, {}, std::string(size, 'x')};
    outcome.head.outcome = tunnel::ResultOutcome::delivered;
    outcome.head.status = 200;
    return outcome;
  }
  static tunnel::DeliverHead request(std::uint8_t number) {
    tunnel::DeliverHead head;
    head.delivery_id = id(number);
    return head;
  }
  static void forget(ResultKeeper& keeper, std::uint8_t number) {
    const tunnel::ResultAck ack{id(number), 1};
    keeper.forget({&ack, 1});
  }

  TempDir dir;
  std::filesystem::path path = dir.path() / "journal";
};

// Sent by a relay that had lost its lease, and slower than the one after it.
TEST_F(ResultKeeperTest, ARequestThatComesAfterItsOutcomeWasCommittedIsOvertaken) {
  auto keeper = open();
  keeper->keep(id(1), answered());
  tunnel::DeliverHead head = request(1);
  head.attempt = 1;
  EXPECT_FALSE(keeper->is_overtaken(head)) << "its outcome is told again";
  forget(*keeper, 1);
  EXPECT_TRUE(keeper->is_overtaken(head));
  head.attempt = 2;
  EXPECT_FALSE(keeper->is_overtaken(head)) << "the app is to be asked again";
}

TEST(Acknowledged, ForgetsTheOldest) {
  Acknowledged latest(2);
  std::vector<tunnel::ResultAck> acks(3);
  for (std::uint8_t i = 0; i < 3; ++i) acks[i] = {DeliveryId{{i}}, 5};
  latest.add(acks);
  const tunnel::ResultAck older{acks[2].delivery_id, 4};
  latest.add({&older, 1});
  tunnel::DeliverHead head;
  head.attempt = 5;
  head.delivery_id = acks[0].delivery_id;
  EXPECT_FALSE(latest.covers(head));
  head.delivery_id = acks[2].delivery_id;
  EXPECT_TRUE(latest.covers(head)) << "the highest counts";
}

TEST(Acknowledged, WhatWasAcknowledgedAgainIsNotOld) {
  Acknowledged latest(2);
  const tunnel::ResultAck first{DeliveryId{{1}}, 1}, second{DeliveryId{{2}}, 1}, third{DeliveryId{{3}}, 1};
  const tunnel::ResultAck again{first.delivery_id, 2};
  for (const tunnel::ResultAck& ack : {first, second, again, third}) latest.add({&ack, 1});
  tunnel::DeliverHead head;
  head.attempt = 2;
  head.delivery_id = first.delivery_id;
  EXPECT_TRUE(latest.covers(head));
  ASSERT_EQ(latest.latest().size(), 2U);
  EXPECT_EQ(latest.latest().front().delivery_id, again.delivery_id);
}

TEST_F(ResultKeeperTest, KnowsAfterARestartWhatWasNotCommitted) {
  {
    auto keeper = open();
    for (std::uint8_t i = 1; i <= 3; ++i) keeper->keep(id(i), answered());
    forget(*keeper, 2);
  }
  struct stat file{};
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600U);
  auto keeper = open();
  EXPECT_EQ(keeper->entries(), 2U);
  EXPECT_TRUE(keeper->answer_for(request(1)));
  EXPECT_FALSE(keeper->answer_for(request(2)));
}

TEST_F(ResultKeeperTest, ATornEndIsCutOffAndWhatFollowsIsReadAgain) {
  {
    open()->keep(id(1), answered());
  }
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  {
    auto keeper = open();
    EXPECT_EQ(keeper->entries(), 0U);
    keeper->keep(id(2), answered());
  }
  EXPECT_TRUE(open()->answer_for(request(2)));
}

TEST_F(ResultKeeperTest, AFileThatIsNoJournalIsLeftAlone) {
  std::ofstream(path) << "something else of this host";
  const auto opened = ResultKeeper::open(path, {});
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, "state_damaged");
  EXPECT_EQ(std::filesystem::file_size(path), 27U);
}

TEST_F(ResultKeeperTest, TheFileStaysSmallHoweverMuchGoesThroughIt) {
  {
    auto keeper = open();
    for (int round = 0; round < 400; ++round) {
      for (std::uint8_t i = 1; i <= 4; ++i) keeper->keep(id(i), answered(50'000));
      for (std::uint8_t i = 1; i <= 3; ++i) forget(*keeper, i);
    }
  }
  EXPECT_LT(std::filesystem::file_size(path), 5U << 20);
  EXPECT_TRUE(open()->answer_for(request(4)));
}

/// Loses what it is told to.
class FailingDisk final : public JournalDisk {
 public:
  void append(std::string bytes) override {
    if (broken)
      good = false;
    else
      file += bytes;
  }
  void replace(std::string whole) override {
    if (broken) return;
    file = std::move(whole);
    good = true;
  }
  bool complete() const override { return good; }

  bool broken = false;
  bool good = true;
  std::string file{kJournalMagic};
};

TEST_F(ResultKeeperTest, WhatADiskHasLeftOutIsWrittenOnceItCan) {
  auto owned = std::make_unique<FailingDisk>();
  FailingDisk& disk = *owned;
  ResultKeeper keeper(Journal({}), std::move(owned), disk.file.size());
  disk.broken = true;
  keeper.keep(id(1), answered());
  disk.broken = false;
  for (std::uint8_t i = 2; i <= 80; ++i) keeper.keep(id(i), answered());
  Journal read({});
  EXPECT_EQ(read.load(disk.file), disk.file.size());
  EXPECT_EQ(read.entries(), 80U);
}

TEST_F(ResultKeeperTest, WhatIsNotOnTheDiskIsNotForAnHeir) {
  auto owned = std::make_unique<FailingDisk>();
  FailingDisk& disk = *owned;
  ResultKeeper keeper(Journal({}), std::move(owned), disk.file.size());
  EXPECT_TRUE(keeper.settle());
  disk.broken = true;
  keeper.keep(id(1), answered());
  const auto settled = keeper.settle();
  ASSERT_FALSE(settled);
  EXPECT_EQ(settled.error().code, "journal_incomplete");
  disk.broken = false;
  EXPECT_TRUE(keeper.settle());
  Journal read({});
  EXPECT_EQ(read.load(disk.file), disk.file.size());
  EXPECT_TRUE(read.answer_for(request(1)));
}

TEST_F(ResultKeeperTest, AnswersThatWereAcknowledgedDoNotStayOnTheDisk) {
  {
    auto keeper = open();
    for (std::uint8_t i = 1; i <= 100; ++i) keeper->keep(id(i), answered(1000));
    for (std::uint8_t i = 1; i <= 100; ++i) forget(*keeper, i);
  }
  EXPECT_LT(std::filesystem::file_size(path), 100U);
}

TEST_F(ResultKeeperTest, WhatCannotBeWrittenIsStillKnownUntilTheEnd) {
  auto keeper = std::make_unique<ResultKeeper>(Journal({}), nullptr, 0);
  keeper->keep(id(1), answered());
  EXPECT_TRUE(keeper->answer_for(request(1)));
}

TEST_F(ResultKeeperTest, TheNextProcessFindsAllOfItAndHearsTheRest) {
  auto before = open();
  before->keep(id(1), answered());
  before->keep(id(2), answered());
  auto after = std::make_unique<ResultKeeper>(Journal({}), nullptr, 0);
  before->hand_over({[&](DeliveryId which, const Outcome& outcome) { after->keep(which, outcome); },
                     [](DeliveryId) {},
                     [&](std::span<const tunnel::ResultAck> acks) { after->forget(acks); }});
  ASSERT_TRUE(after->take_over(path));
  EXPECT_EQ(after->entries(), 2U);
  before->keep(id(3), answered());
  forget(*before, 1);
  before.reset();
  after.reset();
  const auto read = open();
  EXPECT_EQ(read->entries(), 2U);
  EXPECT_TRUE(read->answer_for(request(3)));
  EXPECT_FALSE(read->answer_for(request(1)));
}

TEST_F(ResultKeeperTest, WhatWasHandedOverInVainIsTakenBackWhole) {
  auto keeper = open();
  keeper->keep(id(1), answered());
  keeper->hand_over({[](DeliveryId, const Outcome&) {}, [](DeliveryId) {}, [](auto) {}});
  keeper->keep(id(2), answered());  // its heir died with it
  ASSERT_TRUE(keeper->take_back(path));
  keeper->keep(id(3), answered());
  keeper.reset();
  EXPECT_EQ(open()->entries(), 3U);
}

/// The heir has written things of its own, and not all of what it was told.
TEST_F(ResultKeeperTest, WhatAnHeirLeavesIsTakenBackWithWhatItHasNotWritten) {
  auto keeper = open();
  for (std::uint8_t i = 1; i <= 3; ++i) keeper->keep(id(i), answered());
  keeper->hand_over({[](DeliveryId, const Outcome&) {}, [](DeliveryId) {}, [](auto) {}});
  keeper->keep(id(4), answered());
  forget(*keeper, 1);
  {
    auto heir = open();
    heir->keep(id(5), answered());
    forget(*heir, 2);
  }
  ASSERT_TRUE(keeper->take_back(path));
  keeper.reset();
  const auto read = open();
  EXPECT_EQ(read->entries(), 3U);
  for (std::uint8_t i = 3; i <= 5; ++i) EXPECT_TRUE(read->answer_for(request(i))) << int(i);
}

}  // namespace
}  // namespace postern::agent
