#include "agent/serving.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "temp_dir.hpp"

namespace postern::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class ServingTest : public testing::Test {
 protected:
  ServingTest() {
    options_.state_dir = dir_.path();
    saved_ = AllowList::parse({"saved:1"}).value();
  }
  void write(std::string_view text, const std::string& name = "agent.toml") {
    std::ofstream(dir_ / name) << text;
  }
  std::string refusal() {
    const auto loaded = load_serving(options_, saved_);
    EXPECT_FALSE(loaded);
    return loaded ? "" : loaded.error().code + " " + loaded.error().message;
  }

  TempDir dir_;
  Options options_;
  AllowList saved_;
};

TEST_F(ServingTest, WithoutAFileTheOptionsAndWhatWasSavedHold) {
  options_.config_file = "";
  const auto loaded = load_serving(options_, saved_);
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->serving.allow.entries(), ElementsAre("saved:1"));
  EXPECT_EQ(loaded->serving.limits.deliveries, 256U);
}

TEST_F(ServingTest, TheFileSaysEverythingThatCanChange) {
  write("ca", "ca.pem");
  write(
      fmt::format("allow = [\"a:1\", \"b:2\"]\nconcurrency = 7\nbody_limit = \"1MiB\"\n"
                  "memory_budget = 4096\napp_ca_file = \"{}\"\napp_tls_insecure = true\n"
                  "log_level = \"debug\"\n",
                  (dir_ / "ca.pem").string()));
  const auto loaded = load_serving(options_, saved_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Serving& serving = loaded->serving;
  EXPECT_EQ(loaded->file, dir_ / "agent.toml");
  EXPECT_THAT(serving.allow.entries(), ElementsAre("a:1", "b:2"));
  EXPECT_EQ(serving.limits.deliveries, 7U);
  EXPECT_EQ(serving.limits.body_bytes, 1024U * 1024U);
  EXPECT_EQ(serving.limits.budget_bytes, 4096U);
  EXPECT_EQ(serving.app_tls, (AppTls{(dir_ / "ca.pem").string(), true}));
  EXPECT_EQ(serving.log_level, log::Level::debug);
}

TEST_F(ServingTest, WhatItLeavesOutStaysAsItWas) {
  options_.limits.deliveries = 9;
  write("log_level = \"warn\"\n");
  const auto loaded = load_serving(options_, saved_);
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->serving.limits.deliveries, 9U);
  EXPECT_THAT(loaded->serving.allow.entries(), ElementsAre("saved:1"));
}

TEST_F(ServingTest, AnEmptyListAllowsNothing) {
  write("allow = []\n");
  EXPECT_TRUE(load_serving(options_, saved_)->serving.allow.empty());
}

TEST_F(ServingTest, AFlagWins) {
  options_.given = {"allow", "concurrency"};
  options_.allow = {"flag:1"};
  options_.limits.deliveries = 3;
  write("allow = [\"file:1\"]\nconcurrency = 7\nbody_limit = 5\n");
  const auto loaded = load_serving(options_, saved_);
  ASSERT_TRUE(loaded);
  EXPECT_THAT(loaded->serving.allow.entries(), ElementsAre("flag:1"));
  EXPECT_EQ(loaded->serving.limits.deliveries, 3U);
  EXPECT_EQ(loaded->serving.limits.body_bytes, 5U);
}

TEST_F(ServingTest, AMistakeIsNamedWithItsLine) {
  write("log_level = \"info\"\nconcurency = 7\n");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("invalid_config"), HasSubstr("agent.toml:2"),
                                        HasSubstr("did you mean concurrency")));
  write("\nconcurrency = 0\n");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("agent.toml:2"), HasSubstr("1 to 1024")));
  write("allow = [\"a\"]\n");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("agent.toml:1"), HasSubstr("the port is missing")));
  write("allow = [\n");
  EXPECT_THAT(refusal(), HasSubstr("not valid TOML"));
  write("app_ca_file = \"/nowhere\"\n");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("agent.toml:1"), HasSubstr("/nowhere is not a file")));
}

TEST_F(ServingTest, AFileThatWasNamedMustBeThere) {
  options_.config_file = dir_ / "other.toml";
  write("concurrency = 7\n");
  EXPECT_THAT(refusal(), HasSubstr("There is no"));
  write("concurrency = 8\n", "other.toml");
  EXPECT_EQ(load_serving(options_, saved_)->serving.limits.deliveries, 8U);
}

TEST_F(ServingTest, WhereTheInspectorListens) {
  EXPECT_FALSE(load_serving(options_, saved_)->serving.inspect);
  write("inspect = \"[::1]:9\"\n");
  EXPECT_EQ(load_serving(options_, saved_)->serving.inspect->port(), 9);
  write("log_level = \"info\"\ninspect = \"10.0.0.1:9\"\n");
  EXPECT_THAT(refusal(), AllOf(HasSubstr("agent.toml:2"), HasSubstr("not a loopback address")));
  options_.inspect = "127.0.0.1:7";
  options_.given.insert("inspect");
  EXPECT_EQ(load_serving(options_, saved_)->serving.inspect->port(), 7);
}

}  // namespace
}  // namespace postern::agent
