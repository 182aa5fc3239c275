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

bool allows(const AllowList& list, const Call& call) {
  return list.permit(call).has_value();
}

bool allows(const AllowList& list, std::string_view host, std::uint16_t port) {
  return allows(list, Call{false, host, port, "POST", "/"});
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
  EXPECT_EQ(allows(list_of({c.entry}), c.host, c.port), c.allowed)
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

INSTANTIATE_TEST_SUITE_P(
    Entries, AllowListRefuses,
    testing::Values("", "localhost", "localhost:", ":80", "localhost:0", "localhost:65536", "localhost:80x",
                    "localhost:-1", "*:80", "*.internal:80", "10.0.0.0/8:80", "::1:80", "[::1]", "[::1",
                    "[app]:80", "[127.0.0.1]:80", "a..b:80", ".a:80", "a.:80", "-a:80", "app:80 ", " app:80",
                    "ftp://app:21", "http://u@app:80", "http://", "https://app?x", "app:8:9", "app:**", "*:*",
                    "app:*9", "post app:80", "POST,PUT app:80", "POST| app:80", "|POST app:80",
                    "POST  app:80", "POST app:80 /x", "POST", "POST ", "app:80/a?b", "app:80//",
                    "app:80/a//b", "app:80/../a", "app:80 max=", "app:80 max=0", "app:80 max=1025",
                    "app:80 max=-1", "app:80 max=8x", "app:80  max=8", "max=8", " max=8", "POST max=8",
                    "app:80 max=8 max=9", "app:80 MAX=8", "app:80/%2e%2e/a", "app:80/a%2fb", "app:80/a%",
                    "unix:", "unix:relative", "unix:/run/a b", "unix:/a:hooks", "unix:/a:/b:c?d",
                    "unix:/" + std::string(107, 'x'), "app:443#sha256=00",
                    "http://app#sha256=" + std::string(64, '0'), "https://app#sha256=" + std::string(63, '0'),
                    "https://app#sha1=" + std::string(40, '0'), "https://app#"));

INSTANTIATE_TEST_SUITE_P(
    WholeHosts, AllowListTable,
    testing::Values(Case{"localhost:*", "localhost", 1, true}, Case{"localhost:*", "LOCALHOST", 65535, true},
                    Case{"localhost:*", "localhost", 0, false}, Case{"localhost:*", "127.0.0.1", 80, false},
                    Case{"localhost:*", "localhost.evil", 80, false}, Case{"[::1]:*", "::1", 80, true},
                    Case{"https://app:*", "app", 9, true}));
INSTANTIATE_TEST_SUITE_P(Sockets, AllowListTable,
                         testing::Values(Case{"unix:/run/app.sock", "unix:/run/app.sock", 80, true},
                                         Case{"unix:/run/app.sock", "unix:/run/app.sock2", 80, false},
                                         Case{"unix:/run/app.sock", "unix:/run/../run/app.sock", 80, false},
                                         Case{"unix:/run/app.sock", "unix:/run//app.sock", 80, false},
                                         Case{"unix:/run/app.sock", "UNIX:/run/app.sock", 80, false},
                                         Case{"unix:/run/app.sock", std::string("unix:/run/app.sock\0", 19),
                                              80, false},
                                         Case{"unix:/run/app.sock", "/run/app.sock", 80, false},
                                         Case{"localhost:*", "unix:/run/app.sock", 80, false},
                                         Case{"unix:/localhost", "localhost", 80, false}));

struct Limit {
  std::string entry;
  std::string method;
  std::string target;
  bool allowed;
};

class AllowListLimits : public testing::TestWithParam<Limit> {};

TEST_P(AllowListLimits, MethodsAndPaths) {
  const Limit& l = GetParam();
  EXPECT_EQ(allows(list_of({l.entry}), Call{false, "app", 80, l.method, l.target}), l.allowed)
      << l.entry << " " << l.method << " " << l.target;
}

INSTANTIATE_TEST_SUITE_P(
    Methods, AllowListLimits,
    testing::Values(Limit{"POST app:80", "POST", "/", true}, Limit{"POST app:80", "GET", "/", false},
                    Limit{"POST app:80", "post", "/", false}, Limit{"POST app:80", "POSTS", "/", false},
                    Limit{"PUT|POST app:80", "PUT", "/", true}, Limit{"PUT|POST app:80", "POST", "/", true},
                    Limit{"PUT|POST app:80", "PUT|POST", "/", false},
                    Limit{"POST app:80/hooks/", "GET", "/hooks/a", false},
                    Limit{"POST app:80/hooks/", "POST", "/hooks/a?b=..", true},
                    Limit{"POST app:80/hooks/", "POST", "/admin", false},
                    Limit{"app:80/", "POST", "/a//../b", true},
                    Limit{"http://app/hooks", "POST", "/hooks", true}));

TEST(AllowList, OneEntryThatFitsIsEnough) {
  const AllowList list = list_of({"POST app:80/a/", "GET app:80/b/"});
  EXPECT_TRUE(allows(list, Call{false, "app", 80, "GET", "/b/x"}));
  EXPECT_FALSE(allows(list, Call{false, "app", 80, "GET", "/a/x"})) << "not one's method with another's path";
}

TEST(AllowList, SaysWhyNot) {
  const AllowList list = list_of({"POST app:80/hooks/"});
  const auto elsewhere = list.permit({false, "other", 80, "POST", "/hooks/x"});
  EXPECT_EQ(elsewhere.error().code, "not_allowed");
  EXPECT_THAT(elsewhere.error().message, testing::HasSubstr("--allow other:80"));
  const auto beyond = list.permit({false, "app", 80, "POST", "/x"});
  EXPECT_EQ(beyond.error().code, "request_not_allowed");
  EXPECT_THAT(beyond.error().message, testing::HasSubstr("POST app:80/hooks/"));
}

TEST(AllowList, APinnedAppIsSpokenToOverTlsOnlyWhateverElseIsWritten) {
  const std::string pinned = "https://app:9#sha256=" + std::string(64, 'a');
  const AllowList alone = list_of({pinned});
  EXPECT_FALSE(allows(alone, Call{false, "app", 9, "POST", "/"}));
  EXPECT_THAT(alone.permit({true, "app", 9, "POST", "/"})->pins,
              testing::ElementsAre(std::string(32, '\xaa')));
  const AllowList beside = list_of({pinned, "app:9", "https://app:9/x#sha256=" + std::string(64, 'b')});
  EXPECT_THAT(beside.permit({true, "app", 9, "POST", "/"})->pins,
              testing::UnorderedElementsAre(std::string(32, '\xaa'), std::string(32, '\xbb')));
  EXPECT_TRUE(list_of({"app:9"}).permit({true, "app", 9, "POST", "/"})->pins.empty());
}

TEST(AllowList, EmptyAllowsNothing) {
  EXPECT_FALSE(allows(AllowList(), "localhost", 80));
  EXPECT_TRUE(AllowList().empty());
}

TEST(AllowList, EntriesReadBackAsTheSame) {
  const std::string key(64, '0');
  EXPECT_THAT(
      list_of({"PUT|POST|PUT App:*/x", "unix:/a", "GET unix:/a:/b", "https://app/y#sha256=" + key}).entries(),
      testing::ElementsAre("GET unix:/a:/b", "POST|PUT app:*/x", "https://app:443/y#sha256=" + key,
                           "unix:/a"));
  const AllowList all =
      list_of({"PUT app:*/x", "unix:/a", "GET unix:/a:/b", "https://[::1]/y#sha256=" + key});
  EXPECT_EQ(list_of(all.entries()).entries(), all.entries());
  const AllowList list = list_of({"http://[::1]", "APP:9", "127.0.0.1:1"});
  EXPECT_THAT(list.entries(), testing::ElementsAre("127.0.0.1:1", "[::1]:80", "app:9"));
  EXPECT_EQ(list_of(list.entries()).entries(), list.entries());
}

TEST(AllowListOverrides, AHeaderThatMayStandForAnotherRequestIsNotLetPastLimits) {
  const auto call = [](std::string_view name, const http::Headers& headers) {
    return Call{false, name, 8000, "POST", "/hooks/x", headers};
  };
  const AllowList list =
      list_of({"POST app:8000", "path:8000/hooks/", "open:8000", "POST both:8000", "both:8000"});
  for (const char* name :
       {"X-HTTP-Method-Override", "x-original-url", "X_Rewrite_Url", "X-Method-Override"}) {
    const http::Headers headers = {{"Content-Type", "text/plain"}, {name, "DELETE"}};
    for (const char* app : {"app", "path"}) {
      const auto refused = list.permit(call(app, headers));
      ASSERT_FALSE(refused) << name;
      EXPECT_EQ(refused.error().code, "request_not_allowed");
      EXPECT_THAT(refused.error().message, testing::HasSubstr(name));
    }
    EXPECT_TRUE(allows(list, call("open", headers))) << name;
    EXPECT_TRUE(allows(list, call("both", headers))) << name;
  }
  const http::Headers plain = {{"X-Original-Url-Of-Mine", "/x"}, {"X-HTTP", "y"}};
  EXPECT_TRUE(allows(list, call("app", plain)));
}

TEST(AllowListBounds, TheLeastOfAPlacesEntriesCounts) {
  const auto list = list_of({"app:80 max=8", "POST APP:80/hooks max=3", "app:80/free", "app:* max=5",
                             "https://app#sha256=" + std::string(64, '0') + " max=2"});
  EXPECT_EQ(list.most("App", 80), 3U);
  EXPECT_EQ(list.most("app", 443), 2U);
  EXPECT_EQ(list.most("app", 9), 5U);
  EXPECT_EQ(list.most("other", 80), 0U);
  EXPECT_TRUE(allows(list, "app", 80)) << "it limits nothing else";
}

TEST(AllowListBounds, PlacesThatAreNamedExactlyAreKnownBeforeTheyAreAskedFor) {
  const auto list = list_of({"app:80 max=8", "unix:/run/a.sock:/hooks max=2", "app:* max=5", "free:80"});
  EXPECT_THAT(list.bounded(),
              testing::UnorderedElementsAre(HostPort{"app", 80}, HostPort{"unix:/run/a.sock", 80}));
  EXPECT_EQ(list.most("unix:/run/a.sock", 80), 2U);
}

TEST(AllowListBounds, AreWrittenAsTheyAreRead) {
  const std::vector<std::string> entries = {"PUT unix:/run/a.sock:/hooks/ max=1", "app:80 max=1024"};
  EXPECT_THAT(list_of(entries).entries(), testing::UnorderedElementsAreArray(entries));
}

}  // namespace
}  // namespace postern::agent
