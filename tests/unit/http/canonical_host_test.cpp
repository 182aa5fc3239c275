#include "base/http/canonical_host.hpp"

#include <gtest/gtest.h>

namespace postern::http {
namespace {

TEST(CanonicalHost, AnAddressHasOneSpelling) {
  EXPECT_EQ(canonical_host("0:0:0:0:0:0:0:1"), "::1");
  EXPECT_EQ(canonical_host("FE80::A"), "fe80::a");
  EXPECT_EQ(canonical_host("127.0.0.1"), "127.0.0.1");
  EXPECT_EQ(canonical_address("localhost"), std::nullopt);
}

TEST(CanonicalHost, ANameHasNoCaseAndASocketHas) {
  EXPECT_EQ(canonical_host("LocalHost"), "localhost");
  EXPECT_EQ(canonical_host("unix:/run/App.sock"), "unix:/run/App.sock");
}

}  // namespace
}  // namespace postern::http
