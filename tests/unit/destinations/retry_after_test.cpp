#include "relay/destinations/retry_after.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

using namespace std::chrono_literals;

const Time kNow = *from_rfc3339("1994-11-06T08:49:07Z");

TEST(RetryAfter, Seconds) {
  EXPECT_EQ(parse_retry_after("0", kNow), 0s);
  EXPECT_EQ(parse_retry_after("120", kNow), 120s);
  EXPECT_EQ(parse_retry_after("86400", kNow), 24h);
  EXPECT_EQ(parse_retry_after("86401", kNow), 24h);
  EXPECT_EQ(parse_retry_after("99999999999999999999999999", kNow), 24h);
}

TEST(RetryAfter, DatesInAllThreeForms) {
  for (const char* date :
       {"Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"}) {
    EXPECT_EQ(parse_retry_after(date, kNow), 30s) << date;
  }
  EXPECT_EQ(parse_retry_after("Sun, 06 Nov 1994 08:00:00 GMT", kNow), 0s);
  EXPECT_EQ(parse_retry_after("Fri, 31 Dec 9999 23:59:59 GMT", kNow), 24h);
}

TEST(RetryAfter, TheCenturyOfTwoDigitsIsTheNearOne) {
  const Time in_2026 = *from_rfc3339("2026-01-01T00:00:00Z");
  EXPECT_EQ(to_rfc3339(*parse_http_date("Thursday, 01-Jan-70 00:00:00 GMT", in_2026)),
            "2070-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(*parse_http_date("Thursday, 01-Jan-94 00:00:00 GMT", in_2026)),
            "1994-01-01T00:00:00.000Z");
}

TEST(RetryAfter, RefusesTheRest) {
  for (const char* bad :
       {"", " ", "-1", "1.5", "soon", "0x10", "Sun, 06 Nov 1994 08:49:37", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 8:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 06 Nov 94 08:49:37 GMT", "06-Nov-94 08:49:37 GMT",
        "a b c d e f g"}) {
    EXPECT_FALSE(parse_retry_after(bad, kNow)) << bad;
  }
}

TEST(RetryAfter, OfHeaders) {
  EXPECT_EQ(retry_after_of({{"X", "1"}, {"RETRY-after", "7"}}, kNow), 7s);
  EXPECT_FALSE(retry_after_of({{"X", "1"}}, kNow));
}

}  // namespace
}  // namespace postern::relay
