#include "agent/proxy_answer.hpp"

#include <gtest/gtest.h>

namespace postern::agent {
namespace {

using http::Progress;

struct Read {
  Progress progress;
  int status;
  std::size_t used;
  bool operator==(const Read&) const = default;
};

Read read(std::string_view bytes, std::size_t piece) {
  ProxyAnswer answer;
  std::size_t used = 0;
  while (used < bytes.size() && answer.progress() == Progress::more)
    used += answer.feed(bytes.substr(used, piece));
  return {answer.progress(), answer.status(), used};
}

/// However it is cut.
Read read(std::string_view bytes) {
  const Read whole = read(bytes, bytes.size());
  for (const std::size_t piece : {1, 2, 7}) EXPECT_EQ(read(bytes, piece), whole) << piece;
  return whole;
}

TEST(ProxyAnswer, EndsWithItsHeadAndLeavesTheRest) {
  const std::string head = "HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n";
  EXPECT_EQ(read(head + "the relay's bytes"), (Read{Progress::done, 200, head.size()}));
}

TEST(ProxyAnswer, TakesWhatProxiesSay) {
  EXPECT_EQ(read("HTTP/1.0 200 OK\r\n\r\n").status, 200);
  EXPECT_EQ(read("HTTP/1.1 204\r\n\r\n").status, 204);
  EXPECT_EQ(read("HTTP/1.1 200 OK\n\n").progress, Progress::done);
  EXPECT_EQ(read("HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n").status,
            407);
  EXPECT_EQ(read("HTTP/1.1 200 OK\r\nA: b\r\n").progress, Progress::more);
  EXPECT_EQ(read("").progress, Progress::more);
}

TEST(ProxyAnswer, PassesInterimAnswersOver) {
  EXPECT_EQ(
      read("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Wait\r\nA: b\r\n\r\nHTTP/1.1 403 No\r\n\r\n").status,
      403);
}

TEST(ProxyAnswer, OnlyATwoHundredOpensTheWay) {
  for (const int status : {200, 201, 299, 300, 403, 407, 500}) {
    ProxyAnswer answer;
    const std::string text = "HTTP/1.1 " + std::to_string(status) + " x\r\n\r\n";
    answer.feed(text);
    EXPECT_EQ(answer.accepted(), status < 300) << status;
  }
}

class ProxyAnswerRefuses : public testing::TestWithParam<std::string> {};

TEST_P(ProxyAnswerRefuses, WhatIsNotHttp) {
  EXPECT_EQ(read(GetParam()).progress, Progress::refused);
}

INSTANTIATE_TEST_SUITE_P(Answers, ProxyAnswerRefuses,
                         testing::Values("S", "HTTP/2", "http/1.1 200 OK\r\n", "\r\n", "\x15\x03\x01",
                                         "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1  200 OK\r\n",
                                         "HTTP/1.1 099 OK\r\n", "HTTP/1.1 600 OK\r\n", "HTTP/1.1 +20 OK\r\n",
                                         "HTTP/1.x 200 OK\r\n", "HTTP/1.1\r\n", "HTTP/1.1 200\tOK\r\n"));

TEST(ProxyAnswer, IsBoundedWithItsInterimOnes) {
  const std::string most = "HTTP/1.1 200 OK\r\nA: ";
  EXPECT_EQ(read(most + std::string(ProxyAnswer::kMost - most.size() - 4, 'x') + "\r\n\r\n").progress,
            Progress::done);
  EXPECT_EQ(read(most + std::string(ProxyAnswer::kMost - most.size() - 3, 'x') + "\r\n\r\n").progress,
            Progress::refused);
  std::string interim;
  while (interim.size() <= ProxyAnswer::kMost) interim += "HTTP/1.1 100 \r\n\r\n";
  EXPECT_EQ(read(interim).progress, Progress::refused);
}

TEST(ProxyAnswer, ItsWordsAreSafeToShow) {
  ProxyAnswer answer;
  answer.feed("HTTP/1.1 403 \x1b[31mNo\xff" + std::string(500, 'a') + "\r\n\r\n");
  EXPECT_EQ(answer.words(), "?[31mNo?" + std::string(92, 'a'));
}

}  // namespace
}  // namespace postern::agent
