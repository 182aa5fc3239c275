#include "relay/bus/nats_message.hpp"

#include <gtest/gtest.h>

namespace postern::relay {
namespace {

TEST(NatsServerUrl, WhatCanBeUsed) {
  for (const char* url : {"nats://nats.example:4222", "tls://10.0.0.1:4222", "nats://[::1]:4222",
                          "nats://user:secret@nats.example:4222"}) {
    EXPECT_TRUE(check_nats_server(url)) << url;
  }
}

TEST(NatsServerUrl, WhatCannotSaysWhatWasExpected) {
  for (const char* url : {"", "nats.example:4222", "http://nats.example:4222", "nats://nats.example",
                          "nats://nats.example:0", "nats://:4222", "nats://nats.example:4222/path",
                          "nats://nats example:4222", "nats://user:p%40ss@nats.example:4222"}) {
    const auto verdict = check_nats_server(url);
    ASSERT_FALSE(verdict) << url;
    EXPECT_EQ(verdict.error().code, "invalid_nats_url");
    EXPECT_NE(verdict.error().message.find("nats://nats.example:4222"), std::string::npos);
  }
}

TEST(NatsServerUrl, UserAndPasswordAreNotShown) {
  EXPECT_EQ(nats_server_shown("nats://user:secret@nats.example:4222"), "nats://nats.example:4222");
  EXPECT_EQ(nats_server_shown("tls://nats.example:4222"), "tls://nats.example:4222");
}

}  // namespace
}  // namespace postern::relay
