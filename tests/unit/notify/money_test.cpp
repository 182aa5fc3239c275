#include "relay/notify/money.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

TEST(FormatMoney, PlacesThePointByTheCurrency) {
  EXPECT_EQ(format_money({4200, stripe_exponent("eur"), "eur"}), "42.00 EUR");
  EXPECT_EQ(format_money({123456789, stripe_exponent("usd"), "usd"}), "1,234,567.89 USD");
  EXPECT_EQ(format_money({500, stripe_exponent("jpy"), "jpy"}), "500 JPY");
  EXPECT_EQ(format_money({1500000, stripe_exponent("KRW"), "KRW"}), "1,500,000 KRW");
  EXPECT_EQ(format_money({5120, stripe_exponent("kwd"), "kwd"}), "5.120 KWD");
  EXPECT_EQ(format_money({7, 2, "GBP"}), "0.07 GBP");
  EXPECT_EQ(format_money({-5, 2, "GBP"}), "-0.05 GBP");
  EXPECT_EQ(format_money({0, 0, "JPY"}), "0 JPY");
  EXPECT_EQ(format_money({1999, 2, ""}), "19.99");
}

TEST(FormatMoney, HoldsAtTheEdgesOfTheRange) {
  EXPECT_EQ(format_money({INT64_MAX, 2, "USD"}), "92,233,720,368,547,758.07 USD");
  EXPECT_EQ(format_money({INT64_MIN, 3, "BHD"}), "-9,223,372,036,854,775.808 BHD");
}

TEST(FormatMoney, ShowsNothingButACurrency) {
  EXPECT_EQ(format_money({100, 2, "<!here>"}), "1.00");
  EXPECT_EQ(format_money({100, 2, "US"}), "1.00");
}

TEST(StripeExponent, DiffersFromIsoWhereStripeSaysSo) {
  EXPECT_EQ(iso_exponent("ISK"), 0u);
  EXPECT_EQ(stripe_exponent("isk"), 2u);
  EXPECT_EQ(stripe_exponent("ugx"), 2u);
  EXPECT_EQ(stripe_exponent("mga"), 0u);
  for (const char* zero : {"bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv",
                           "xaf", "xof", "xpf"}) {
    EXPECT_EQ(stripe_exponent(zero), 0u) << zero;
  }
  for (const char* three : {"bhd", "jod", "kwd", "omr", "tnd"})
    EXPECT_EQ(stripe_exponent(three), 3u) << three;
}

TEST(ParseMoney, KeepsEveryDigit) {
  EXPECT_EQ(parse_money("199.95", "USD"), (Money{19995, 2, "USD"}));
  EXPECT_EQ(parse_money("19.9", "eur"), (Money{1990, 2, "EUR"}));
  EXPECT_EQ(parse_money("19", "EUR"), (Money{1900, 2, "EUR"}));
  EXPECT_EQ(parse_money("0.1234", "EUR"), (Money{1234, 4, "EUR"}));
  EXPECT_EQ(parse_money("500.00", "JPY"), (Money{500, 0, "JPY"}));
  EXPECT_EQ(parse_money("-3.50", "USD"), (Money{-350, 2, "USD"}));
  // As a double this is 4.35 - 4e-16, and 434 cents.
  EXPECT_EQ(format_money(*parse_money("4.35", "USD")), "4.35 USD");
  EXPECT_EQ(format_money(*parse_money("90071992547409.93", "USD")), "90,071,992,547,409.93 USD");
}

TEST(ParseMoney, RefusesWhatIsNoPrice) {
  for (const char* bad : {"", "-", ".5", "5.", "1,000.00", "1e3", "+1", " 1", "1 ", "0x10", "NaN", "--1",
                          "1.2.3", "1.-2", "0.1234567", "99999999999999999999", "92233720368547758.08"}) {
    EXPECT_FALSE(parse_money(bad, "USD")) << bad;
  }
}

TEST(Times, RefusesToOverflow) {
  EXPECT_EQ(times({1500, 2, "USD"}, 3), (Money{4500, 2, "USD"}));
  EXPECT_FALSE(times({INT64_MAX, 2, "USD"}, 2));
}

}  // namespace
}  // namespace postern::relay
