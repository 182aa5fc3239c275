#include "base/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace postern::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr Setting kTable[] = {
    {"data_dir", Type::text, "path", "data", "Where."},
    {"loops", Type::integer, "threads", "0", "How many.", {}, 0, 64},
    {"ingest.listen", Type::address, "host:port", "0.0.0.0:8080", "Where."},
    {"ingest.body_limit", Type::size, "bytes", "10MiB", "How much.", {}, 1024},
    {"ingest.idle_time", Type::duration, "duration", "60s", "How long.", {}, 1'000'000, 3'600'000'000},
    {"log.format", Type::choice, "", "text", "How.", "text|json"},
    {"log.colour", Type::boolean, "", "false", "Whether."},
    {"egress.allow_networks", Type::list, "CIDR", "", "Which."},
};

Inputs file_named(std::string name) {
  Inputs inputs;
  inputs.file = std::move(name);
  return inputs;
}

Problems problems_of(std::string_view toml) {
  const auto values = resolve_text(kTable, file_named("relay.toml"), toml);
  return values ? Problems{} : values.error();
}

TEST(Config, GivesTheDefaultsWithoutAnyInput) {
  const auto values = resolve_text(kTable, {}, "");
  ASSERT_TRUE(values);
  EXPECT_EQ(values->text("data_dir"), "data");
  EXPECT_EQ(values->integer("loops"), 0);
  EXPECT_EQ(values->address("ingest.listen"), (Address{"0.0.0.0", 8080}));
  EXPECT_EQ(values->size("ingest.body_limit"), 10u << 20);
  EXPECT_EQ(values->duration("ingest.idle_time"), std::chrono::seconds(60));
  EXPECT_FALSE(values->boolean("log.colour"));
  EXPECT_TRUE(values->list("egress.allow_networks").empty());
  EXPECT_EQ(values->origin("loops"), "default");
}

TEST(Config, AFlagWinsOverTheEnvironmentOverTheFileOverTheDefault) {
  Inputs inputs = file_named("relay.toml");
  const std::string_view toml = "loops = 1\n[ingest]\nlisten = \"1.1.1.1:1\"\nidle_time = \"1m\"\n";
  inputs.environment = {{"POSTERN_INGEST_LISTEN", "2.2.2.2:2"}, {"POSTERN_LOOPS", "2"}, {"HOME", "/root"}};
  inputs.flags = {{"ingest.listen", "[::1]:0"}};
  const auto values = resolve_text(kTable, inputs, toml);
  ASSERT_TRUE(values);
  EXPECT_EQ(values->address("ingest.listen"), (Address{"::1", 0}));
  EXPECT_EQ(values->origin("ingest.listen"), "--ingest-listen");
  EXPECT_EQ(values->integer("loops"), 2);
  EXPECT_EQ(values->origin("loops"), "POSTERN_LOOPS");
  EXPECT_EQ(values->duration("ingest.idle_time"), std::chrono::minutes(1));
  EXPECT_EQ(values->origin("ingest.idle_time"), "relay.toml:4");
}

TEST(Config, NamesTheNearestKeyAndThePlaceOfAnUnknownOne) {
  EXPECT_THAT(problems_of("\n[ingest]\nlisen = \"1.1.1.1:1\"\n"),
              ElementsAre("relay.toml:3: unknown setting ingest.lisen; did you mean ingest.listen?"));
  EXPECT_THAT(problems_of("lopps = 3\n"), ElementsAre(HasSubstr("did you mean loops?")));
  EXPECT_THAT(problems_of("[ingesst]\nlisten = \"1.1.1.1:1\"\n"),
              ElementsAre(HasSubstr("unknown setting ingesst")));
  EXPECT_THAT(problems_of("zzzzzzzzzzzz = 3\n"), ElementsAre("relay.toml:1: unknown setting zzzzzzzzzzzz."));
}

TEST(Config, AnUnknownVariableOfOursIsAProblemAndOthersAreNot) {
  Inputs inputs;
  inputs.environment = {{"POSTERN_INGEST_LISTN", "x"},
                        {"POSTERN_URL", "x"},
                        {"POSTERNX", "x"},
                        {"POSTERN_SERVICE_HOST", "x"},
                        {"POSTERN_PORT_80_TCP", "x"}};
  inputs.environment_ignored = {"POSTERN_URL"};
  const auto values = resolve_text(kTable, inputs, "");
  ASSERT_FALSE(values);
  EXPECT_THAT(values.error(),
              ElementsAre("POSTERN_INGEST_LISTN: no such setting; did you mean POSTERN_INGEST_LISTEN?"));
}

TEST(Config, SaysWhatATypeTakes) {
  EXPECT_THAT(problems_of("loops = \"3\"\n"),
              ElementsAre(HasSubstr("relay.toml:1: loops takes a whole number")));
  EXPECT_THAT(problems_of("loops = 65\n"), ElementsAre("relay.toml:1: loops: must be 0 to 64."));
  EXPECT_THAT(problems_of("loops = -1\n"), ElementsAre(HasSubstr("not a whole number")));
  EXPECT_THAT(problems_of("[log]\ncolour = \"true\"\n"), ElementsAre(HasSubstr("without quotes")));
  EXPECT_THAT(problems_of("[log]\nformat = \"xml\"\n"),
              ElementsAre(HasSubstr("'xml' is not one of text, json")));
  EXPECT_THAT(problems_of("[ingest]\nidle_time = 30\n"),
              ElementsAre(HasSubstr("takes a duration in quotes")));
  EXPECT_THAT(problems_of("[ingest]\nidle_time = \"2h\"\n"), ElementsAre(HasSubstr("must be 1s to 1h")));
  EXPECT_THAT(problems_of("[ingest]\nbody_limit = \"10MB\"\n"),
              ElementsAre(HasSubstr("'10MB' is not a size")));
  EXPECT_THAT(problems_of("[ingest]\nbody_limit = 512\n"), ElementsAre(HasSubstr("must be at least 1KiB")));
  EXPECT_THAT(problems_of("[ingest]\nlisten = \"8080\"\n"),
              ElementsAre(HasSubstr("'8080' is not host:port")));
  EXPECT_THAT(problems_of("[egress]\nallow_networks = [1]\n"), ElementsAre(HasSubstr("array of strings")));
  EXPECT_THAT(problems_of("ingest = 3\n"), ElementsAre(HasSubstr("unknown setting ingest")));
}

TEST(Config, ReportsEveryProblemAtOnceAndBrokenTomlWithItsLine) {
  EXPECT_EQ(problems_of("a = 1\nb = 2\nloops = 99\n").size(), 3u);
  EXPECT_THAT(problems_of("loops = 1\nloops = = 2\n"),
              ElementsAre(HasSubstr("relay.toml:2: not valid TOML")));
  Inputs missing = file_named("/nonexistent/relay.toml");
  EXPECT_THAT(resolve(kTable, missing).error(), ElementsAre(HasSubstr("cannot be read")));
  Inputs directory;
  directory.file = "/tmp";
  EXPECT_THAT(resolve(kTable, directory).error(), ElementsAre(HasSubstr("Is a directory")));
}

TEST(Config, ListsAreArraysInTheFileAndCommasElsewhere) {
  const auto from_file =
      resolve_text(kTable, file_named("f"), "[egress]\nallow_networks = [\"10.0.0.0/8\", \"::1/128\"]\n");
  ASSERT_TRUE(from_file);
  EXPECT_THAT(from_file->list("egress.allow_networks"), ElementsAre("10.0.0.0/8", "::1/128"));
  Inputs inputs;
  inputs.environment = {{"POSTERN_EGRESS_ALLOW_NETWORKS", "10.0.0.0/8, ::1/128"}};
  EXPECT_THAT(resolve_text(kTable, inputs, "")->list("egress.allow_networks"),
              ElementsAre("10.0.0.0/8", "::1/128"));
}

TEST(Config, AskingForTheWrongThingIsABug) {
  const auto values = resolve_text(kTable, {}, "");
  EXPECT_THROW(values->text("loops"), std::logic_error);
  EXPECT_THROW(values->integer("nothing"), std::logic_error);
}

TEST(ParseAddress, TakesNamesAndBothFamilies) {
  EXPECT_EQ(parse_address("relay.example:9700"), (Address{"relay.example", 9700}));
  EXPECT_EQ(parse_address("[2001:db8::1]:0"), (Address{"2001:db8::1", 0}));
  EXPECT_EQ((Address{"::1", 80}).to_string(), "[::1]:80");
  for (const char* bad :
       {"", ":80", "host", "host:", "host:65536", "host:-1", "::1:80", "[host]:80", "[::1]80", "a b:1"}) {
    EXPECT_FALSE(parse_address(bad)) << bad;
  }
}

TEST(ParseSize, IsExactAndBounded) {
  EXPECT_EQ(parse_size("0"), 0u);
  EXPECT_EQ(parse_size("64KiB"), 65536u);
  EXPECT_EQ(parse_size("3B"), 3u);
  for (const char* bad : {"", "KiB", "1.5MiB", "1 MiB", "1mib", "18446744073709551616", "99999999TiB"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
  for (const std::uint64_t size : {0ull, 1ull, 1023ull, 1024ull, 1536ull, 10485760ull}) {
    EXPECT_EQ(parse_size(format_size(size)), size);
  }
}

}  // namespace
}  // namespace postern::config
