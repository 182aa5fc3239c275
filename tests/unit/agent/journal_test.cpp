#include "agent/journal.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"

namespace postern::agent {
namespace {

using tunnel::ResultOutcome;

DeliveryId id(std::uint8_t number) {
  DeliveryId made;
  made.uuid.fill(number);
  return made;
}

Outcome answered(std::uint32_t attempt, int status = 200, std::string body = "body") {
  Outcome outcome{attempt, {}, std::move(body)};
  outcome.head.outcome = ResultOutcome::delivered;
  outcome.head.status = status;
  outcome.head.headers = {{"X-A", std::string("\0\xff", 2)}};
  return outcome;
}

Outcome broken(std::uint32_t attempt) {
  Outcome outcome{attempt, {}, ""};
  outcome.head.outcome = ResultOutcome::maybe_sent;
  outcome.head.error_code = "timeout";
  return outcome;
}

tunnel::DeliverHead request(std::uint8_t number, std::uint32_t attempt, std::uint32_t told = 0) {
  tunnel::DeliverHead head;
  head.delivery_id = id(number);
  head.attempt = attempt;
  head.answered = told;
  return head;
}

/// A journal and what its file holds.
struct Kept {
  explicit Kept(Journal::Limits limits = {}) : journal(limits) {}
  void keep(std::uint8_t number, const Outcome& outcome) { file += journal.keep(id(number), outcome); }
  void forget(std::uint8_t number, std::uint32_t attempt) {
    const tunnel::ResultAck ack{id(number), attempt};
    file += journal.forget({&ack, 1});
  }
  Journal journal;
  std::string file{kJournalMagic};
};

TEST(Journal, AnswersTheSameAttemptWithEveryByte) {
  Kept kept;
  kept.keep(1, answered(1, 201, std::string("\0\r\n", 3)));
  const auto found = kept.journal.answer_for(request(1, 1));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->attempt, 1U);
  EXPECT_EQ(found->head.status, 201);
  EXPECT_EQ(found->head.headers, answered(1).head.headers);
  EXPECT_EQ(found->body, std::string("\0\r\n", 3));
  EXPECT_FALSE(kept.journal.answer_for(request(2, 1)));
}

TEST(Journal, AnAnswerCountsForLaterAttemptsUntilTheRelayHasIt) {
  Kept kept;
  kept.keep(1, answered(2, 500));
  EXPECT_TRUE(kept.journal.answer_for(request(1, 3, 0))) << "the relay knows of a lost connection only";
  EXPECT_TRUE(kept.journal.answer_for(request(1, 3, 1)));
  EXPECT_FALSE(kept.journal.answer_for(request(1, 3, 2))) << "the app is to be asked again";
}

TEST(Journal, ACallWithoutAnAnswerCountsForItsOwnAttemptOnly) {
  Kept kept;
  kept.keep(1, broken(1));
  EXPECT_TRUE(kept.journal.answer_for(request(1, 1)));
  EXPECT_FALSE(kept.journal.answer_for(request(1, 2)));
}

TEST(Journal, WhatWasNeverSentIsNotKept) {
  Kept kept;
  Outcome refused = broken(1);
  refused.head.outcome = ResultOutcome::not_sent;
  kept.keep(1, refused);
  EXPECT_EQ(kept.journal.entries(), 0U);
  EXPECT_EQ(kept.file, kJournalMagic);
}

TEST(Journal, IsForgottenOnceCommittedAndNotByAnOlderAttempt) {
  Kept kept;
  kept.keep(1, answered(2));
  kept.forget(1, 1);
  EXPECT_EQ(kept.journal.entries(), 1U);
  kept.forget(1, 2);
  EXPECT_EQ(kept.journal.entries(), 0U);
  EXPECT_EQ(kept.journal.bytes(), 0U);
  const std::size_t size = kept.file.size();
  kept.forget(1, 2);
  kept.forget(9, 9);
  EXPECT_EQ(kept.file.size(), size) << "what is not known is not written";
}

TEST(Journal, TheFileReadsBackTheSame) {
  Kept kept;
  for (std::uint8_t i = 1; i <= 50; ++i) kept.keep(i, answered(i));
  for (std::uint8_t i = 1; i <= 50; i += 2) kept.forget(i, i);
  kept.keep(2, answered(7, 404));
  for (const std::string& file : {kept.file, kept.journal.rewritten()}) {
    Journal read({});
    EXPECT_EQ(read.load(file), file.size());
    EXPECT_EQ(read.entries(), 25U);
    EXPECT_EQ(read.bytes(), kept.journal.bytes());
    EXPECT_EQ(read.answer_for(request(2, 7))->head.status, 404);
    EXPECT_FALSE(read.answer_for(request(1, 1)));
    EXPECT_EQ(read.rewritten(), kept.journal.rewritten());
  }
}

TEST(Journal, WhereverTheFileIsCutWhatIsWholeBeforeCounts) {
  Kept kept;
  std::vector<std::size_t> ends{kept.file.size()};
  for (std::uint8_t i = 1; i <= 5; ++i) {
    kept.keep(i, answered(1));
    ends.push_back(kept.file.size());
  }
  for (std::size_t cut = kJournalMagic.size(); cut <= kept.file.size(); ++cut) {
    Journal read({});
    const auto good = read.load(kept.file.substr(0, cut));
    const auto whole = std::ranges::count_if(ends, [&](std::size_t end) { return end <= cut; }) - 1;
    ASSERT_EQ(good, ends[static_cast<std::size_t>(whole)]) << cut;
    ASSERT_EQ(read.entries(), static_cast<std::size_t>(whole));
  }
}

TEST(Journal, ADamagedByteEndsItThere) {
  Kept kept;
  kept.keep(1, answered(1));
  const std::size_t first = kept.file.size();
  kept.keep(2, answered(1));
  for (std::size_t at = first; at < kept.file.size(); ++at) {
    std::string damaged = kept.file;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    Journal read({});
    ASSERT_EQ(read.load(damaged), first) << at;
    ASSERT_EQ(read.entries(), 1U);
  }
  EXPECT_FALSE(Journal({}).load("not a journal"));
  EXPECT_FALSE(Journal({}).load(""));
}

TEST(Journal, TheOldestMakeRoom) {
  Kept kept({.entries = 3, .bytes = 1 << 20});
  for (std::uint8_t i = 1; i <= 5; ++i) kept.keep(i, answered(1));
  EXPECT_EQ(kept.journal.entries(), 3U);
  EXPECT_EQ(kept.journal.evicted(), 2U);
  EXPECT_FALSE(kept.journal.answer_for(request(2, 1)));
  EXPECT_TRUE(kept.journal.answer_for(request(3, 1)));
  Kept small({.entries = 100, .bytes = 5000});
  for (std::uint8_t i = 1; i <= 20; ++i) small.keep(i, answered(1, 200, std::string(1000, 'x')));
  EXPECT_LE(small.journal.bytes(), 5000U);
  EXPECT_TRUE(small.journal.answer_for(request(20, 1)));
  small.keep(99, answered(1, 200, std::string(6000, 'x')));
  EXPECT_FALSE(small.journal.answer_for(request(99, 1))) << "it alone is too large";
  EXPECT_GT(small.journal.entries(), 0U) << "and pushes nobody out";
}

TEST(Journal, RandomBytesBehindTheMagicAreReadWithoutHarm) {
  SeededRandom random(7);
  for (int i = 0; i < 2000; ++i) {
    Journal read({});
    const std::string file = std::string(kJournalMagic) + random.bytes(random.u64() % 200);
    EXPECT_EQ(read.load(file), kJournalMagic.size());
  }
}

TEST(Journal, IsRewrittenWhenMostOfItIsDone) {
  Journal journal({});
  EXPECT_FALSE(journal.worth_rewriting(1 << 15));
  EXPECT_TRUE(journal.worth_rewriting(1 << 17)) << "nothing in it is needed";
  for (std::uint8_t i = 1; i <= 60; ++i) journal.keep(id(i), answered(1, 200, std::string(60'000, 'x')));
  EXPECT_FALSE(journal.worth_rewriting(5 << 20));
  EXPECT_TRUE(journal.worth_rewriting(8 << 20));
}

}  // namespace
}  // namespace postern::agent
