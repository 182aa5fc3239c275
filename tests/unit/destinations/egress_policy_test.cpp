#include "relay/destinations/egress_policy.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

namespace ip = boost::asio::ip;

ip::address address(std::string_view text) {
  return ip::make_address(std::string(text));
}

EgressPolicy allowing(std::vector<std::string> networks) {
  return EgressPolicy::from_config(networks).value();
}

struct Row {
  std::string_view address;
  std::string_view reason;  ///< "" when it may be dialled
};

constexpr Row kRows[] = {
    // IPv4, first and last of each block, and their neighbours outside.
    {"0.0.0.0", "this host"},
    {"0.255.255.255", "this host"},
    {"1.0.0.0", ""},
    {"9.255.255.255", ""},
    {"10.0.0.0", "private network"},
    {"10.255.255.255", "private network"},
    {"11.0.0.0", ""},
    {"100.63.255.255", ""},
    {"100.64.0.0", "carrier-grade NAT"},
    {"100.100.100.200", "carrier-grade NAT"},
    {"100.127.255.255", "carrier-grade NAT"},
    {"100.128.0.0", ""},
    {"127.0.0.1", "loopback"},
    {"127.255.255.255", "loopback"},
    {"128.0.0.0", ""},
    {"168.63.129.16", "cloud platform services"},
    {"168.63.129.17", ""},
    {"169.253.255.255", ""},
    {"169.254.0.1", "link-local"},
    {"169.254.169.254", "cloud metadata"},
    {"169.254.170.2", "link-local"},
    {"169.255.0.0", ""},
    {"172.15.255.255", ""},
    {"172.16.0.0", "private network"},
    {"172.31.255.255", "private network"},
    {"172.32.0.0", ""},
    {"192.0.0.192", "IETF protocol assignments"},
    {"192.0.1.0", ""},
    {"192.0.2.1", "documentation"},
    {"192.88.99.1", "6to4 relay anycast"},
    {"192.167.255.255", ""},
    {"192.168.0.1", "private network"},
    {"192.169.0.0", ""},
    {"198.17.255.255", ""},
    {"198.18.0.0", "benchmarking"},
    {"198.19.255.255", "benchmarking"},
    {"198.20.0.0", ""},
    {"198.51.100.7", "documentation"},
    {"203.0.113.7", "documentation"},
    {"223.255.255.255", ""},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.1", "reserved"},
    {"255.255.255.254", "reserved"},
    {"255.255.255.255", "broadcast"},
    {"8.8.8.8", ""},
    {"93.184.215.14", ""},
    // IPv6.
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::2", "IPv4-compatible"},
    {"::7f00:1", "IPv4-compatible"},
    {"::8.8.8.8", "IPv4-compatible"},
    {"::ffff:127.0.0.1", "IPv4-mapped"},
    {"::ffff:169.254.169.254", "IPv4-mapped"},
    {"::ffff:8.8.8.8", "IPv4-mapped"},
    {"::ffff:0:127.0.0.1", "not global unicast"},  // SIIT, RFC 2765
    {"64:ff9b::127.0.0.1", "NAT64"},
    {"64:ff9b::8.8.8.8", "NAT64"},
    {"64:ff9b:1::a00:1", "NAT64, local use"},
    {"64:ff9b:1:ffff:ffff:ffff:ffff:ffff", "NAT64, local use"},
    {"100::1", "discard only"},
    {"2001::1", "Teredo"},
    {"2001:0:5ef5:79fb:0:0:f5ff:fffe", "Teredo"},
    {"2001:2::1", "IETF protocol assignments"},
    {"2001:10::1", "ORCHID"},
    {"2001:2f:ffff::1", "ORCHID"},
    {"2001:1ff:ffff::1", "IETF protocol assignments"},
    {"2001:200::1", ""},
    {"2001:db8::1", "documentation"},
    {"2001:db9::1", ""},
    {"2002:7f00:1::1", "6to4"},
    {"2002:808:808::1", "6to4"},
    {"2606:4700:4700::1111", ""},
    {"2a00:1450:4001:800::200e", ""},
    {"2a00:1450:4001:800:0:5efe:127.0.0.1", "loopback"},  // ISATAP
    {"2a00:1450:4001:800:200:5efe:10.0.0.1", "private network"},
    {"2a00:1450:4001:800:0:5efe:8.8.8.8", ""},
    {"3fff::1", "documentation"},
    {"3fff:1000::1", ""},
    {"4000::1", "not global unicast"},
    {"5f00::1", "segment routing"},
    {"fc00::1", "unique local"},
    {"fd00:ec2::254", "cloud metadata"},
    {"fdff:ffff::1", "unique local"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fec0::1", "site-local"},
    {"ff02::1", "multicast"},
    {"ff0e::1", "multicast"},
};

TEST(EgressPolicy, DialsGlobalUnicastOnly) {
  const EgressPolicy policy;
  for (const Row& row : kRows) {
    EXPECT_EQ(policy.refusal(address(row.address)).value_or(""), row.reason) << row.address;
    EXPECT_EQ(policy.may_dial(address(row.address)), row.reason.empty()) << row.address;
    EXPECT_EQ(policy.dial_check()(address(row.address)), row.reason.empty()) << row.address;
  }
}

TEST(EgressPolicy, RefusesEveryRefusedIPv4InEveryFormThatCarriesIt) {
  for (const Row& row : kRows) {
    const ip::address inner = address(row.address);
    if (!inner.is_v4()) continue;
    const std::string text = inner.to_string();
    for (const std::string& form :
         {"::ffff:" + text, "::" + text, "64:ff9b::" + text, "64:ff9b:1::" + text}) {
      EXPECT_FALSE(EgressPolicy().may_dial(address(form))) << form;
    }
  }
}

TEST(EgressPolicy, AnAllowedNetworkIsAnExceptionAndNoMore) {
  const EgressPolicy policy = allowing({"10.1.0.0/16", "127.0.0.1", "fd00:1::/32", "::1"});
  for (const char* yes : {"10.1.0.0", "10.1.255.255", "127.0.0.1", "fd00:1::5", "::1", "8.8.8.8"}) {
    EXPECT_TRUE(policy.may_dial(address(yes))) << yes;
  }
  for (const char* no : {"10.0.255.255", "10.2.0.0", "127.0.0.2", "fd00:2::5", "::", "::2", "::ffff:10.1.0.1",
                         "64:ff9b::10.1.0.1", "169.254.169.254"}) {
    EXPECT_FALSE(policy.may_dial(address(no))) << no;
  }
}

TEST(EgressPolicy, AnAllowedCarrierStillHasItsIPv4Judged) {
  const EgressPolicy policy =
      allowing({"64:ff9b::/96", "2002::/16", "2001::/32", "::ffff:0:0/96", "10.1.0.0/16"});
  for (const char* yes : {"64:ff9b::8.8.8.8", "64:ff9b::10.1.0.1", "2002:808:808::1", "::ffff:8.8.8.8",
                          "::ffff:10.1.2.3", "2001:0:808:808:0:0:f7f7:f7f7"}) {
    EXPECT_TRUE(policy.may_dial(address(yes))) << yes;
  }
  for (const char* no :
       {"64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "2002:7f00:1::1", "2002:a9fe:a9fe::1",
        "::ffff:192.168.0.1", "2001:0:a00:1:0:0:f7f7:f7f7", "2001:0:808:808:0:0:80ff:fffe"}) {
    EXPECT_FALSE(policy.may_dial(address(no))) << no;
  }
}

TEST(EgressPolicy, EverythingCanBeAllowed) {
  const EgressPolicy policy = allowing({"0.0.0.0/0", "::/0"});
  for (const Row& row : kRows) EXPECT_TRUE(policy.may_dial(address(row.address))) << row.address;
}

TEST(EgressPolicy, AZoneIsOnlyForAllowedNetworks) {
  ip::address_v6 global = ip::make_address_v6("2606:4700:4700::1111");
  global.scope_id(1);
  EXPECT_FALSE(EgressPolicy().may_dial(global));
  ip::address_v6 local = ip::make_address_v6("fe80::1");
  local.scope_id(2);
  EXPECT_FALSE(EgressPolicy().may_dial(local));
  EXPECT_TRUE(allowing({"fe80::/10"}).may_dial(local));
}

TEST(ParseNetwork, TakesAddressesAndBlocks) {
  EXPECT_EQ(parse_network("10.0.0.0/8")->prefix_length, 8u);
  EXPECT_EQ(parse_network("192.0.2.1")->prefix_length, 32u);
  EXPECT_EQ(parse_network("fd00::/8")->prefix_length, 8u);
  EXPECT_EQ(parse_network("::1")->prefix_length, 128u);
  EXPECT_TRUE(parse_network("0.0.0.0/0")->contains(address("255.1.2.3")));
  EXPECT_FALSE(parse_network("0.0.0.0/0")->contains(address("::1")));
  EXPECT_TRUE(parse_network("10.0.0.0/9")->contains(address("10.127.255.255")));
  EXPECT_FALSE(parse_network("10.0.0.0/9")->contains(address("10.128.0.0")));
}

TEST(ParseNetwork, RefusesSlips) {
  for (const char* bad :
       {"", "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8 ", "10.0.0.0/+8", "10/8",
        "10.0.0.1/8", "fd00::1/8", "localhost", "fe80::1%eth0", "0x7f.0.0.1", "10.0.0.0/8/8"}) {
    const auto network = parse_network(bad);
    ASSERT_FALSE(network) << bad;
    EXPECT_EQ(network.error().code, "invalid_network");
  }
  EXPECT_NE(parse_network("10.1.2.3/8").error().message.find("10.0.0.0/8"), std::string::npos);
}

TEST(EgressPolicy, ConfigurationErrorsNameTheEntry) {
  const std::vector<std::string> networks = {"10.0.0.0/8", "lan"};
  const auto policy = EgressPolicy::from_config(networks);
  ASSERT_FALSE(policy);
  EXPECT_NE(policy.error().message.find("\"lan\""), std::string::npos);
}

}  // namespace
}  // namespace postern::relay
