#include "agent/inspector/record_json.hpp"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/bytes.hpp"
#include "inspector_fixture.hpp"

namespace postern::agent::inspector {
namespace {

namespace json = boost::json;

struct InspectorJsonTest : testing::Test {
  json::value detail(std::uint64_t number) {
    const auto made = detail_json(*recorder_->find(number), recorder_->records());
    // By way of the text, as whoever asks gets it: it must be valid.
    return json::parse(json::serialize(made));
  }
  ManualClock clock_;
  std::shared_ptr<Recorder> recorder_ =
      std::make_shared<Recorder>(clock_, RecorderLimits{.records = 5, .bytes = 1 << 20, .body_bytes = 8});
};

TEST_F(InspectorJsonTest, SaysWhatPassed) {
  Recording recording(recorder_, some_delivery("/hooks?a=b"));
  recording.body("{}");
  clock_.advance(std::chrono::microseconds(1500));
  recording.ended(some_result(204), "ok");
  const auto made = detail(1);
  EXPECT_EQ(made.at("state"), "delivered");
  EXPECT_EQ(made.at("status"), 204);
  EXPECT_EQ(made.at("took_ms"), 1.5);
  EXPECT_EQ(made.at("app"), "localhost:8000");
  EXPECT_EQ(made.at("error_code"), nullptr);
  EXPECT_EQ(made.at_pointer("/request/target"), "/hooks?a=b");
  EXPECT_EQ(made.at_pointer("/request/headers/0/0"), "Content-Type");
  EXPECT_EQ(made.at_pointer("/request/body/text"), "{}");
  EXPECT_EQ(made.at_pointer("/response/headers/0/1"), "yes");
  EXPECT_EQ(made.at_pointer("/response/body/text"), "ok");
  EXPECT_EQ(made.at_pointer("/timings/total_ms"), 12.0);
}

TEST_F(InspectorJsonTest, WhatRunsHasNoAnswerYet) {
  const Recording recording(recorder_, some_delivery());
  const auto made = detail(1);
  EXPECT_EQ(made.at("state"), "running");
  for (const char* field : {"status", "took_ms", "response", "error", "timings", "error_code", "resend_of"})
    EXPECT_EQ(made.at(field), nullptr) << field;
  EXPECT_EQ(made.at_pointer("/request/body"), nullptr);
}

TEST_F(InspectorJsonTest, AFailureSaysWhy) {
  tunnel::ResultHead result;
  result.error_code = "connect_failed";
  result.error_message = "Connection refused.";
  Recording(recorder_, some_delivery()).ended(result, "");
  const auto made = detail(1);
  EXPECT_EQ(made.at("state"), "not_sent");
  EXPECT_EQ(made.at("response"), nullptr);
  EXPECT_EQ(made.at("status"), nullptr);
  EXPECT_EQ(made.at_pointer("/error/code"), "connect_failed");
}

TEST_F(InspectorJsonTest, AnyByteIsValidJson) {
  std::string all;
  for (int i = 1; i < 256; ++i) all += static_cast<char>(i);
  auto head = some_delivery("/" + all);
  head.headers = {{"X", all}};
  Recording recording(recorder_, head);
  recording.body("\xff\xfe\x01");
  recording.ended(some_result(), "</script>");
  const auto made = detail(1);
  EXPECT_EQ(made.at_pointer("/request/body/base64"), "//4B");
  EXPECT_FALSE(made.at_pointer("/request/body").as_object().contains("text"));
  EXPECT_EQ(made.at_pointer("/response/body/kept"), 8);
  EXPECT_EQ(made.at_pointer("/response/body/size"), 9);
  EXPECT_TRUE(is_utf8(made.at_pointer("/request/headers/0/1").as_string()));
  EXPECT_TRUE(made.at_pointer("/request/target").as_string().ends_with("\xc3\xbf"));  // ÿ
}

TEST_F(InspectorJsonTest, TextThatIsCutWithinACharacterIsText) {
  Recording recording(recorder_, some_delivery());
  recording.body("1234567\xc3\xa9.");  // 8 bytes are kept: half of the é
  EXPECT_EQ(detail(1).at_pointer("/request/body/text"), "1234567");
  Recording other(recorder_, some_delivery());
  other.body("1234567\xc3");  // that is all of it: no text
  EXPECT_EQ(detail(2).at_pointer("/request/body/base64").as_string(), base64_encode("1234567\xc3"));
}

TEST_F(InspectorJsonTest, AListHasWhatChangedInTheOrderOfTheChanges) {
  Recording first(recorder_, some_delivery("/1"));
  Recording second(recorder_, some_delivery("/2"));
  first.ended(some_result(), "");
  const auto all = list_json(*recorder_, 0);
  EXPECT_EQ(all.at("revision"), 3);
  EXPECT_EQ(all.at("oldest"), 1);
  ASSERT_EQ(all.at("deliveries").as_array().size(), 2u);
  EXPECT_EQ(all.at("deliveries").at(0).at("target"), "/2");
  EXPECT_EQ(all.at("deliveries").at(1).at("target"), "/1");
  EXPECT_EQ(list_json(*recorder_, 2).at("deliveries").as_array().size(), 1u);
  EXPECT_TRUE(list_json(*recorder_, 3).at("deliveries").as_array().empty());
  EXPECT_EQ(list_json(Recorder(clock_), 0).at("oldest"), nullptr);
}

TEST_F(InspectorJsonTest, ADetailNamesItsResends) {
  Recording(recorder_, some_delivery()).ended(some_result(), "");
  Recording(recorder_, some_delivery()).ended(some_result(), "");
  Recording(recorder_, some_delivery(), 1).ended(some_result(), "");
  EXPECT_EQ(detail(1).at("resends"), json::array{3});
  EXPECT_EQ(detail(3).at("resend_of"), 1);
  EXPECT_TRUE(detail(2).at("resends").as_array().empty());
}

}  // namespace
}  // namespace postern::agent::inspector
