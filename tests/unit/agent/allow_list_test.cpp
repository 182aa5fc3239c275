#include "agent/allow_list.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::agent {
namespace {

AllowList list_of(std::vector<std::string> entries) {
  auto list = AllowList::parse(entries);
  EXPECT_TRUE(list) << (list ? "" : list.error().message);
  return list ? *list : AllowList();
}

struct Case {
  std::string entry;
  std::string host;
  std::uint16_t port;
  bool allowed;
};

class AllowListTable : public testing::TestWithParam<Case> {};

TEST_P(AllowListTable, AllowsExactlyWhatIsWritten) {
  const Case& c = GetParam();
  EXPECT_EQ(list_of({c.entry}).allows(c.host, c.port), c.allowed)
      << c.entry << " " << c.host << " " << c.port;
}

INSTANTIATE_TEST_SUITE_P(Names, AllowListTable,
                         testing::Values(Case{"localhost:8000", "localhost", 8000, true},
                                         Case{"localhost:8000", "LOCALHOST", 8000, true},
                                         Case{"LocalHost:8000", "localhost", 8000, true},
                                         Case{"localhost:8000", "localhost", 8001, false},
                                         Case{"localhost:8000", "localhost", 0, false},
                                         Case{"localhost:8000", "localhost.", 8000, false},
                                         Case{"localhost:8000", "127.0.0.1", 8000, false},
                                         Case{"127.0.0.1:8000", "localhost", 8000, false},
                                         Case{"app.internal:80", "app.internal", 80, true},
                                         Case{"app.internal:80", "xapp.internal", 80, false},
                                         Case{"app.internal:80", "app.internal.evil.com", 80, false},
                                         Case{"app.internal:80", "app.interna", 80, false},
                                         Case{"app.internal:80", "", 80, false},
                                         Case{"my_app-1:80", "my_app-1", 80, true}));
INSTANTIATE_TEST_SUITE_P(
    Addresses, AllowListTable,
    testing::Values(
        Case{"127.0.0.1:8000", "127.0.0.1", 8000, true}, Case{"127.0.0.1:8000", "127.1", 8000, false},
        Case{"127.0.0.1:8000", "0x7f.0.0.1", 8000, false}, Case{"127.0.0.1:8000", "2130706433", 8000, false},
        Case{"127.0.0.1:8000", "::ffff:127.0.0.1", 8000, false}, Case{"10.0.0.1:80", "10.0.0.10", 80, false},
        Case{"[::1]:8000", "::1", 8000, true}, Case{"[::1]:8000", "0:0:0:0:0:0:0:1", 8000, true},
        Case{"[0:0::1]:8000", "::1", 8000, true}, Case{"[::1]:8000", "[::1]", 8000, false},
        Case{"[::1]:8000", "::2", 8000, false}, Case{"[2001:DB8::A]:443", "2001:db8::a", 443, true}));
INSTANTIATE_TEST_SUITE_P(
    Origins, AllowListTable,
    testing::Values(Case{"http://app", "app", 80, true}, Case{"https://app", "app", 443, true},
                    Case{"https://app", "app", 80, false}, Case{"http://app:8080", "app", 8080, true},
                    Case{"http://app:8080/", "app", 8080, true}, Case{"HTTP://app", "app", 80, true},
                    Case{"http://[::1]", "::1", 80, true}, Case{"https://[::1]:9", "::1", 9, true}));
INSTANTIATE_TEST_SUITE_P(
    Tricks, AllowListTable,
    testing::Values(Case{"app:80", std::string("app\0", 4), 80, false}, Case{"app:80", "app\r\n", 80, false},
                    Case{"app:80", " app", 80, false}, Case{"app:80", "app:80", 80, false},
                    Case{"app:80", "app#", 80, false}, Case{"app:80", "user@app", 80, false},
                    Case{"app:80", "app/", 80, false}, Case{"app:80", "%61pp", 80, false}));

class AllowListRefuses : public testing::TestWithParam<std::string> {};

TEST_P(AllowListRefuses, WhatItCannotHoldExactly) {
  const auto list = AllowList::parse({GetParam()});
  ASSERT_FALSE(list);
  EXPECT_EQ(list.error().code, "invalid_allow");
  EXPECT_THAT(list.error().message, testing::HasSubstr("\""));
}

INSTANTIATE_TEST_SUITE_P(Entries, AllowListRefuses,
                         testing::Values("", "localhost", "localhost:", ":80", "localhost:0",
                                         "localhost:65536", "localhost:80x", "localhost:-1", "*:80",
                                         "*.internal:80", "10.0.0.0/8:80", "::1:80", "[::1]", "[::1",
                                         "[app]:80", "[127.0.0.1]:80", "a..b:80", ".a:80", "a.:80", "-a:80",
                                         "app:80 ", " app:80", "ftp://app:21", "http://u@app:80",
                                         "http://app/path", "http://", "https://app?x", "app:8:9"));

TEST(AllowList, EmptyAllowsNothing) {
  EXPECT_FALSE(AllowList().allows("localhost", 80));
  EXPECT_TRUE(AllowList().empty());
}

TEST(AllowList, EntriesReadBackAsTheSame) {
  const AllowList list = list_of({"http://[::1]", "APP:9", "127.0.0.1:1"});
  EXPECT_THAT(list.entries(), testing::ElementsAre("127.0.0.1:1", "[::1]:80", "app:9"));
  EXPECT_EQ(list_of(list.entries()).entries(), list.entries());
}

}  // namespace
}  // namespace postern::agent
