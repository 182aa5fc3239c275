// Beast as an oracle: whatever the gate accepts, Beast must read the same way.
#include <gtest/gtest.h>

#include "tests/support/beast_oracle.hpp"
#include "tests/support/strict_http_cases.hpp"
#include "tests/unit/http/reading.hpp"

namespace postern::http::test {
namespace {

TEST(Differential, BeastReadsEveryAcceptedRequestTheSameWay) {
  int accepted = 0;
  for (const auto& row : postern::test::strict_http_cases()) {
    if (!row.accepted()) continue;
    SCOPED_TRACE(row.name);
    const Reading ours = read_whole(row.request);
    ASSERT_EQ(ours.progress, Progress::done);
    EXPECT_EQ(postern::test::disagreement_with_beast(row.request, ours.head, ours.body, ours.used), "");
    ++accepted;
  }
  EXPECT_GE(accepted, 25);
}

TEST(Differential, TheOracleNoticesADifference) {
  const std::string request = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
  Reading ours = read_whole(request);
  EXPECT_NE(postern::test::disagreement_with_beast(request, ours.head, "hell", ours.used), "");
  EXPECT_NE(postern::test::disagreement_with_beast(request, ours.head, ours.body, ours.used - 1), "");
  ours.head.headers[0].value = "b";
  EXPECT_NE(postern::test::disagreement_with_beast(request, ours.head, ours.body, ours.used), "");
}

}  // namespace
}  // namespace postern::http::test
