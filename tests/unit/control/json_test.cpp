#include "control/api/json.hpp"

#include <gtest/gtest.h>

#include "control/api/fields.hpp"
#include "control/api/query.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;

TEST(ParseBody, TakesOneObjectAndNothingElse) {
  EXPECT_TRUE(parse_body("{}"));
  EXPECT_TRUE(parse_body(""));
  EXPECT_TRUE(parse_body(R"({"a":{"x":1},"b":{"x":2}})"));
  for (const char* bad :
       {"[]", "1", "null", "{", "{}{}", "{\"a\":}", "{'a':1}", "{\"a\":1,}", "\xff", "{\"a\":\"\xff\"}"}) {
    const auto body = parse_body(bad);
    ASSERT_FALSE(body) << bad;
    EXPECT_EQ(body.error().status, 400);
  }
}

TEST(ParseBody, RefusesAKeyTwiceAtAnyDepth) {
  for (const char* bad :
       {R"({"a":1,"a":2})", R"({"x":{"a":1,"b":2,"a":3}})", R"({"x":[{"a":1,"\u0061":2}]})"}) {
    const auto body = parse_body(bad);
    ASSERT_FALSE(body) << bad;
    EXPECT_NE(body.error().detail.find("\"a\""), std::string::npos) << body.error().detail;
  }
}

TEST(ParseBody, IsBoundedInDepth) {
  const auto nested = [](std::size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_TRUE(parse_body(nested(kJsonDepth - 2)));
  EXPECT_FALSE(parse_body(nested(kJsonDepth + 1)));
  EXPECT_FALSE(parse_body(nested(100'000)));
}

TEST(JsonText, MakesValidUtf8OfAnything) {
  EXPECT_EQ(json_text("caf\xc3\xa9"), "caf\xc3\xa9");
  EXPECT_EQ(json_text("caf\xe9"), "caf\xc3\xa9");
  EXPECT_EQ(json_text("\xe2\x82"), "\xc3\xa2\xc2\x82");
}

std::vector<std::string> wrong_fields(std::string_view text, void (*read)(Fields&)) {
  const json::object object = json::parse(text).as_object();
  Fields fields(object);
  read(fields);
  std::vector<std::string> names;
  if (const auto problem = fields.finish()) {
    for (const FieldError& error : problem->errors) names.push_back(error.field);
  }
  return names;
}

TEST(Fields, NamesEveryFieldThatIsWrong) {
  const auto read = [](Fields& fields) {
    fields.require("name");
    fields.text("name", 5);
    fields.boolean("flag");
    fields.integer("count", 1, 10);
    fields.duration("wait", Duration(0), std::chrono::seconds(10));
    fields.durations("waits", 2, std::chrono::seconds(10));
    fields.integers("codes", 2, 300, 599);
    fields.texts("words", 2, 3);
    fields.id<SourceId>("source_id");
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(
      wrong_fields(R"({"name":"abc","flag":true,"count":10,"wait":"10s","waits":["0","1ms"],"codes":[404]})",
                   read),
      Names{});
  EXPECT_EQ(wrong_fields(R"({})", read), Names{"name"});
  EXPECT_EQ(wrong_fields(R"({"name":"too long"})", read), Names{"name"});
  EXPECT_EQ(wrong_fields(R"({"name":""})", read), Names{"name"});
  EXPECT_EQ(wrong_fields(R"({"name":"a","flag":1,"count":11,"wait":30})", read),
            (Names{"flag", "count", "wait"}));
  EXPECT_EQ(wrong_fields(R"({"name":"a","count":1.5})", read), Names{"count"});
  EXPECT_EQ(wrong_fields(R"({"name":"a","waits":["0","1h"]})", read), Names{"waits[1]"});
  EXPECT_EQ(wrong_fields(R"({"name":"a","waits":["0","0","0"]})", read), Names{"waits"});
  EXPECT_EQ(wrong_fields(R"({"name":"a","codes":[200],"words":["abcd"]})", read),
            (Names{"codes[0]", "words[0]"}));
  EXPECT_EQ(wrong_fields(R"({"name":"a","source_id":"dst_00000000000000000000000000"})", read),
            Names{"source_id"});
  EXPECT_EQ(wrong_fields(R"({"name":"a","flga":true})", read), Names{"flga"});
}

TEST(Fields, AnUnknownFieldNamesTheNearest) {
  const json::object object = json::parse(R"({"enabeld":true})").as_object();
  Fields fields(object);
  fields.boolean("enabled");
  const auto problem = fields.finish();
  ASSERT_TRUE(problem);
  EXPECT_NE(problem->detail.find("did you mean enabled?"), std::string::npos) << problem->detail;
}

TEST(Query, RefusesWhatItWasNotAskedFor) {
  Query query("limit=501&colour=red&since=yesterday&limit=2");
  query.page<SourceId>();
  query.time("since");
  const auto problem = query.finish();
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->status, 400);
  EXPECT_EQ(problem->errors.size(), 4u);
  Query fine("limit=500&cursor=12%2C7");
  EXPECT_EQ(fine.page_of_events().cursor, "12,7");
  EXPECT_FALSE(fine.finish());
}

}  // namespace
}  // namespace postern::control
