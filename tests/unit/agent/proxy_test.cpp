#include "agent/proxy.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/bytes.hpp"

namespace postern::agent {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Url {
  std::string text;
  std::string at;
  std::string user;  // as Basic sends it, decoded
};

class ProxyUrl : public testing::TestWithParam<Url> {};

TEST_P(ProxyUrl, IsTakenApart) {
  const auto proxy = parse_proxy(GetParam().text);
  ASSERT_TRUE(proxy) << proxy.error().message;
  EXPECT_EQ(proxy->at.to_string(), GetParam().at);
  const std::string& user = GetParam().user;
  EXPECT_EQ(proxy->authorization, user.empty() ? "" : "Basic " + base64_encode(user));
}

INSTANTIATE_TEST_SUITE_P(
    Urls, ProxyUrl,
    testing::Values(Url{"http://proxy:3128", "proxy:3128", ""}, Url{"proxy:3128", "proxy:3128", ""},
                    Url{"HTTP://Proxy/", "proxy:80", ""}, Url{"http://[::1]", "[::1]:80", ""},
                    Url{"http://[::1]:8080/", "[::1]:8080", ""},
                    Url{"http://ann:secret@proxy:1", "proxy:1", "ann:secret"},
                    Url{"ann@proxy:1", "proxy:1", "ann:"}, Url{"http://ann:@proxy:1", "proxy:1", "ann:"},
                    Url{"http://a:b:c@proxy:1", "proxy:1", "a:b:c"},
                    Url{"http://a%40b:p%3A%2f%25%C3%A9@proxy:1", "proxy:1", "a@b:p:/%\xc3\xa9"},
                    Url{"http://a:b@c@proxy:1", "proxy:1", "a:b@c"}));

class ProxyUrlRefuses : public testing::TestWithParam<std::string> {};

TEST_P(ProxyUrlRefuses, WithoutRepeatingIt) {
  const auto proxy = parse_proxy(GetParam());
  ASSERT_FALSE(proxy);
  EXPECT_EQ(proxy.error().code, "invalid_proxy");
  EXPECT_THAT(proxy.error().message, Not(HasSubstr("secret")));
}

INSTANTIATE_TEST_SUITE_P(Urls, ProxyUrlRefuses,
                         testing::Values("", "http://", "https://u:secret@proxy:1", "socks5://proxy:1",
                                         "http://u:secret@proxy:0", "http://u:secret@proxy:99999",
                                         "http://u:secret%@proxy:1", "http://u:secret%4@proxy:1",
                                         "http://u:secret%zz@proxy:1", "http://u:secret%0d%0aX@proxy:1",
                                         "http://u%3av:secret@proxy:1", "http://proxy:1/path",
                                         "http://proxy:1?secret", "http://::1:80", "http://pro xy:1"));

struct Exception {
  std::string list;
  std::string host;
  std::uint16_t port;
  bool covered;
};

class NoProxyTable : public testing::TestWithParam<Exception> {};

TEST_P(NoProxyTable, CoversWhatItSays) {
  const Exception& e = GetParam();
  EXPECT_EQ(NoProxy(e.list).covers({e.host, e.port}), e.covered) << e.list << " " << e.host;
}

INSTANTIATE_TEST_SUITE_P(Names, NoProxyTable,
                         testing::Values(Exception{"", "relay.example", 443, false},
                                         Exception{"*", "relay.example", 443, true},
                                         Exception{"relay.example", "relay.example", 443, true},
                                         Exception{"RELAY.example", "relay.example", 443, true},
                                         Exception{"example", "relay.example", 443, true},
                                         Exception{"ample", "relay.example", 443, false},
                                         Exception{".example", "relay.example", 443, true},
                                         Exception{".relay.example", "relay.example", 443, false},
                                         Exception{"*.example", "relay.example", 443, true},
                                         Exception{"other, relay.example", "relay.example", 443, true},
                                         Exception{"other relay.example", "relay.example", 443, true},
                                         Exception{"relay.example:443", "relay.example", 443, true},
                                         Exception{"relay.example:443", "relay.example", 9700, false},
                                         Exception{".example:9700", "relay.example", 9700, true},
                                         Exception{"relay.example:x", "relay.example", 443, false},
                                         Exception{".", "relay.example", 443, false},
                                         Exception{":443", "relay.example", 443, false},
                                         Exception{",,, ", "relay.example", 443, false}));
INSTANTIATE_TEST_SUITE_P(
    Addresses, NoProxyTable,
    testing::Values(
        Exception{"10.0.0.1", "10.0.0.1", 1, true}, Exception{"10.0.0.1", "10.0.0.10", 1, false},
        Exception{"10.0.0.1:2", "10.0.0.1", 2, true}, Exception{"10.0.0.1:2", "10.0.0.1", 1, false},
        Exception{"10.0.0.0/8", "10.255.0.1", 1, true}, Exception{"10.0.0.0/8", "11.0.0.1", 1, false},
        Exception{"10.0.0.0/9", "10.127.0.1", 1, true}, Exception{"10.0.0.0/9", "10.128.0.1", 1, false},
        Exception{"10.0.0.0/0", "192.0.2.1", 1, true}, Exception{"10.0.0.4/32", "10.0.0.4", 1, true},
        Exception{"10.0.0.4/32", "10.0.0.5", 1, false}, Exception{"10.0.0.0/33", "10.0.0.0", 1, false},
        Exception{"10.0.0.0/8", "relay.example", 1, false}, Exception{"::1", "::1", 1, true},
        Exception{"[::1]:7", "::1", 7, true}, Exception{"[::1]:7", "::1", 8, false},
        Exception{"2001:db8::/32", "2001:db8:1::2", 1, true},
        Exception{"2001:db8::/32", "2001:db9::2", 1, false}, Exception{"::/0", "10.0.0.1", 1, false}));

std::function<const char*(const char*)> environment(std::map<std::string, std::string> set) {
  return [set = std::move(set)](const char* name) -> const char* {
    const auto found = set.find(name);
    return found == set.end() ? nullptr : found->second.c_str();
  };
}

/// Where the way to the relay leads: the proxy's address, or "direct".
std::string way(const ProxyRules& rules, const HostPort& relay = {"relay.example", 443}) {
  const Proxy* proxy = rules.on_the_way_to(relay);
  return proxy ? proxy->at.to_string() : "direct";
}

TEST(ProxyRules, WhatWasChosenCountsBeforeTheEnvironment) {
  const auto both = environment({{"HTTPS_PROXY", "capital:1"}, {"https_proxy", "small:2"}});
  EXPECT_EQ(way(*proxy_rules("", environment({}))), "direct");
  EXPECT_EQ(way(*proxy_rules("", environment({{"https_proxy", "small:2"}}))), "small:2");
  EXPECT_EQ(way(*proxy_rules("", environment({{"HTTPS_PROXY", ""}, {"https_proxy", "small:2"}}))), "small:2");
  EXPECT_EQ(way(*proxy_rules("", both)), "capital:1");
  EXPECT_EQ(way(*proxy_rules("http://chosen:3", both)), "chosen:3");
}

TEST(ProxyRules, NoProxyExceptsFromEither) {
  const auto set = environment({{"HTTPS_PROXY", "proxy:1"}, {"no_proxy", "relay.example"}});
  EXPECT_EQ(way(*proxy_rules("", set)), "direct");
  EXPECT_EQ(way(*proxy_rules("chosen:3", set)), "direct");
  EXPECT_EQ(way(*proxy_rules("", set), {"another.example", 443}), "proxy:1");
}

TEST(ProxyRules, ThisHostItselfIsMeantOnlyByWhoSaysTheProxyToTheAgent) {
  const auto set = environment({{"HTTPS_PROXY", "proxy:1"}});
  for (const char* host : {"localhost", "127.0.0.1", "127.9.9.9", "::1"}) {
    EXPECT_EQ(way(*proxy_rules("", set), {host, 443}), "direct") << host;
    EXPECT_EQ(way(*proxy_rules("chosen:3", set), {host, 443}), "chosen:3") << host;
  }
}

TEST(ProxyRules, AMistakeSaysWhereItWasMade) {
  const auto bad = proxy_rules("", environment({{"HTTPS_PROXY", "https://u:secret@proxy:1"}}));
  ASSERT_FALSE(bad);
  EXPECT_THAT(bad.error().message, HasSubstr("HTTPS_PROXY"));
  EXPECT_THAT(bad.error().message, Not(HasSubstr("secret")));
  EXPECT_THAT(proxy_rules("ftp://x", environment({})).error().message, HasSubstr("--proxy"));
}

}  // namespace
}  // namespace postern::agent
