#include "base/http/gate.hpp"

#include <gtest/gtest.h>

#include "tests/support/strict_http_cases.hpp"
#include "tests/unit/http/reading.hpp"

namespace postern::http::test {
namespace {

using postern::test::strict_http_cases;
using postern::test::StrictHttpCase;

void expect_as_written(const StrictHttpCase& row, const Reading& reading) {
  if (!row.accepted()) {
    ASSERT_EQ(reading.progress, Progress::refused);
    EXPECT_EQ(reading.verdict.status, row.status);
    EXPECT_EQ(reading.verdict.reason, row.reason);
    return;
  }
  ASSERT_EQ(reading.progress, Progress::done) << reading.verdict.reason;
  EXPECT_EQ(reading.head.method, row.method);
  EXPECT_EQ(reading.head.target, row.target);
  EXPECT_EQ(reading.head.keep_alive, row.keep_alive);
  EXPECT_EQ(reading.body, row.body);
  EXPECT_EQ(reading.used, row.request.size());
}

TEST(StrictHttp, InOnePiece) {
  const auto rows = strict_http_cases();
  EXPECT_GE(rows.size(), 150u);
  for (const StrictHttpCase& row : rows) {
    SCOPED_TRACE(row.name);
    expect_as_written(row, read_whole(row.request));
  }
}

TEST(StrictHttp, ByteByByte) {
  for (const StrictHttpCase& row : strict_http_cases()) {
    SCOPED_TRACE(row.name);
    expect_as_written(row, read_by_byte(row.request));
  }
}

TEST(StrictHttp, SplitAnywhere) {
  for (const StrictHttpCase& row : strict_http_cases()) {
    SCOPED_TRACE(row.name);
    for (std::size_t at = 1; at < row.request.size() && !HasFatalFailure(); ++at) {
      // The long rows repeat one byte: their ends are where something can differ.
      if (at > 400 && at + 400 < row.request.size() && at % 97 != 0) continue;
      SCOPED_TRACE(at);
      expect_as_written(row, read_split(row.request, at));
    }
  }
}

TEST(StrictHttp, NothingOfTheNextRequestIsTaken) {
  for (const StrictHttpCase& row : strict_http_cases()) {
    if (!row.accepted()) continue;
    SCOPED_TRACE(row.name);
    expect_as_written(row, read_whole(row.request + "GET /next HTTP/1.1\r\n"));
  }
}

Head accepted_head(std::string_view bytes) {
  Gate gate{GateLimits{}};
  gate.feed(bytes);
  EXPECT_EQ(gate.progress(), Progress::done) << gate.verdict().reason;
  return gate.head();
}

TEST(Gate, KeepsOrderCaseAndRepeats) {
  const Head head = accepted_head("GET / HTTP/1.1\r\nX-B: 1\r\nhOsT: a\r\nx-b:  2 3 \r\n\r\n");
  const Headers wanted = {{"X-B", "1"}, {"hOsT", "a"}, {"x-b", "2 3"}};
  EXPECT_EQ(head.headers, wanted);
}

TEST(Gate, ExpectationCountsOnlyBeforeABody) {
  EXPECT_TRUE(accepted_head("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n")
                  .expect_continue);
  EXPECT_FALSE(accepted_head("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n").expect_continue);
  EXPECT_FALSE(
      accepted_head("POST / HTTP/1.0\r\nContent-Length: 1\r\nExpect: nonsense\r\n\r\n").expect_continue);
}

TEST(Gate, LimitsAreExact) {
  const std::string request = "GET /12345 HTTP/1.1\r\nHost: a\r\n\r\n";
  const auto verdict_at = [&](GateLimits limits) {
    Gate gate(limits);
    gate.feed(request);
    return gate.progress() == Progress::done ? 200 : gate.verdict().status;
  };
  EXPECT_EQ(verdict_at({.target_bytes = 6, .header_bytes = request.size(), .header_fields = 1}), 200);
  EXPECT_EQ(verdict_at({.target_bytes = 5, .header_bytes = request.size(), .header_fields = 1}), 414);
  EXPECT_EQ(verdict_at({.target_bytes = 6, .header_bytes = request.size() - 1, .header_fields = 1}), 431);
  EXPECT_EQ(verdict_at({.target_bytes = 6, .header_bytes = request.size(), .header_fields = 0}), 431);
  EXPECT_EQ(verdict_at({.target_bytes = 6, .header_bytes = 3, .header_fields = 1}), 431);
}

TEST(Request, PathAndQueryOfEveryTargetForm) {
  const auto parts = [](std::string target) {
    Request request;
    request.target = std::move(target);
    return std::string(request.path()) + " " + std::string(request.query());
  };
  EXPECT_EQ(parts("/a/b?c=d?e"), "/a/b c=d?e");
  EXPECT_EQ(parts("/"), "/ ");
  EXPECT_EQ(parts("*"), "* ");
  EXPECT_EQ(parts("http://h/a?b"), "/a b");
  EXPECT_EQ(parts("http://h?b"), "/ b");
  EXPECT_EQ(parts("http://h"), "/ ");
  EXPECT_EQ(parts("/x?u=http://h/y"), "/x u=http://h/y");
}

}  // namespace
}  // namespace postern::http::test
