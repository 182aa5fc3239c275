#include "control/settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

namespace postern::control {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

/// Tests run somewhere inside the checkout: the file is found on the way up.
std::string example() {
  for (auto at = std::filesystem::current_path(); at.has_relative_path(); at = at.parent_path()) {
    std::ifstream in(at / "configs" / "relay.toml");
    if (in) return {std::istreambuf_iterator<char>(in), {}};
  }
  ADD_FAILURE() << "configs/relay.toml is not above " << std::filesystem::current_path();
  return "";
}

/// The example with every "#key = value" line made live.
std::string live_example() {
  std::istringstream lines(example());
  std::string live;
  for (std::string line; std::getline(lines, line); live += line + "\n") {
    if (line.size() > 1 && line[0] == '#' && line[1] != ' ') line.erase(0, 1);
  }
  return live;
}

config::Inputs from_file() {
  config::Inputs inputs;
  inputs.file = "relay.toml";
  return inputs;
}

TEST(RelayToml, IsSoundAsItStands) {
  const auto values = config::resolve_text(relay_settings(), from_file(), example());
  ASSERT_TRUE(values) << values.error().front();
  EXPECT_TRUE(settings_from(*values));
}

TEST(RelayToml, TheStoreIsGivenUpOnInTimeToAnswerWithinTwoSeconds) {
  const auto values = config::resolve_text(relay_settings(), {}, "");
  ASSERT_TRUE(values);
  EXPECT_LT(settings_from(*values)->ingest.store_time, std::chrono::milliseconds(1900));
}

TEST(RelayToml, ShowsEverySettingWithItsTrueDefault) {
  const auto shown = config::resolve_text(relay_settings(), from_file(), live_example());
  ASSERT_TRUE(shown) << shown.error().front();
  const auto defaults = config::resolve_text(relay_settings(), {}, "");
  ASSERT_TRUE(defaults);
  for (const config::Setting& setting : relay_settings()) {
    EXPECT_THAT(shown->origin(setting.key), HasSubstr("relay.toml:"))
        << setting.key << " is not in configs/relay.toml";
    switch (setting.type) {
      case config::Type::text:
      case config::Type::choice:
        EXPECT_EQ(shown->text(setting.key), defaults->text(setting.key));
        break;
      case config::Type::boolean:
        EXPECT_EQ(shown->boolean(setting.key), defaults->boolean(setting.key));
        break;
      case config::Type::integer:
        EXPECT_EQ(shown->integer(setting.key), defaults->integer(setting.key));
        break;
      case config::Type::duration:
        EXPECT_EQ(shown->duration(setting.key), defaults->duration(setting.key));
        break;
      case config::Type::size:
        EXPECT_EQ(shown->size(setting.key), defaults->size(setting.key));
        break;
      case config::Type::address:
        EXPECT_EQ(shown->address(setting.key), defaults->address(setting.key));
        break;
      case config::Type::list:
        EXPECT_EQ(shown->list(setting.key), defaults->list(setting.key));
        break;
    }
  }
}

TEST(RelaySettings, EveryOneHasHelpAndADefaultThatIsSound) {
  for (const config::Setting& setting : relay_settings()) EXPECT_GT(setting.help.size(), 10u) << setting.key;
  const auto values = config::resolve_text(relay_settings(), {}, "");
  ASSERT_TRUE(values);
  const auto settings = settings_from(*values);
  ASSERT_TRUE(settings);
  EXPECT_GE(settings->loops, 1u);
  EXPECT_EQ(settings->ingest.listen.to_string(), "0.0.0.0:8080");
  EXPECT_EQ(settings->tunnel.listen.to_string(), "0.0.0.0:9700");
  EXPECT_EQ(settings->admin.listen.to_string(), "127.0.0.1:8081");
}

config::Problems problems_of(std::vector<std::pair<std::string, std::string>> flags) {
  config::Inputs inputs;
  inputs.flags = std::move(flags);
  const auto values = config::resolve_text(relay_settings(), inputs, "");
  if (!values) return values.error();
  const auto settings = settings_from(*values);
  return settings ? config::Problems{} : settings.error();
}

TEST(RelaySettings, ChecksWhatConcernsSeveralValues) {
  EXPECT_THAT(problems_of({{"ingest.tls_key", "key.pem"}}), Contains(HasSubstr("go together")));
  EXPECT_THAT(problems_of({{"shutdown.requests_time", "25s"}}), Contains(HasSubstr("at most 28s")));
  EXPECT_THAT(problems_of({{"egress.allow_networks", "10.0.0.1/8"}}),
              Contains(HasSubstr("--egress-allow-networks")));
  EXPECT_THAT(problems_of({{"ingest.public_url", "ftp://x"}}), Contains(HasSubstr("--ingest-public-url")));
  EXPECT_THAT(problems_of({{"tunnel.public_address", "relay.example:0"}}),
              Contains(HasSubstr("needs a port")));
  EXPECT_THAT(problems_of({{"slack.base_url", "https://x/path"}}), Contains(HasSubstr("--slack-base-url")));
  EXPECT_TRUE(problems_of({{"ingest.public_url", "https://hooks.example/"}}).empty());
}

TEST(RelaySettings, NatsIsCheckedBeforeItIsNeeded) {
  EXPECT_THAT(problems_of({{"nats.url", "http://x:1"}}), Contains(HasSubstr("nats://nats.example:4222")));
  EXPECT_THAT(problems_of({{"nats.url", "nats://a:4222,tls://b:4222"}}),
              Contains(HasSubstr("all are tls://")));
  EXPECT_THAT(problems_of({{"nats.credentials_file", "/nowhere/relay.creds"}}),
              Contains(HasSubstr("/nowhere/relay.creds cannot be read")));
  EXPECT_THAT(problems_of({{"nats.ca_file", "/nowhere/ca.pem"}}), Contains(HasSubstr("--nats-ca-file")));
  EXPECT_THAT(problems_of({{"nats.subject_prefix", "$JS"}}), Contains(HasSubstr("--nats-subject-prefix")));
  EXPECT_TRUE(
      problems_of({{"nats.url", "nats://a:4222,nats://b:4222"}, {"nats.subject_prefix", "evt.webhook"}})
          .empty());
}

}  // namespace
}  // namespace postern::control
