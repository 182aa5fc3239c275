#include "relay/providers/json_scan.hpp"

#include <gtest/gtest.h>
#include <boost/json.hpp>

#include "base/random.hpp"

namespace postern::relay {
namespace {

JsonFound scan(std::string_view text, std::vector<std::string> paths) {
  std::vector<JsonPointer> pointers;
  for (const auto& path : paths) pointers.push_back(JsonPointer::parse(path).value());
  std::vector<const JsonPointer*> wanted;
  for (const auto& pointer : pointers) wanted.push_back(&pointer);
  return scan_json(text, wanted);
}
std::optional<std::string> one(std::string_view text, std::string path = "/id") {
  return scan(text, {path})[0];
}

TEST(JsonScan, FindsTopLevelScalars) {
  const JsonFound found =
      scan(R"( { "a" : [1,{"id":"no"}], "type":"x.y" ,"id" :"evt_1" } )", {"/id", "/type", "/b"});
  EXPECT_EQ(found[0], "evt_1");
  EXPECT_EQ(found[1], "x.y");
  EXPECT_FALSE(found[2]);
}

TEST(JsonScan, FollowsPointersThroughObjectsAndArrays) {
  const std::string text = R"({"event":{"type":"message","items":[{"id":1},{"id":2}]},"a/b":{"~":"odd"}})";
  const JsonFound found = scan(text, {"/event/type", "/event/items/1/id", "/a~1b/~0", "/event"});
  EXPECT_EQ(found[0], "message");
  EXPECT_EQ(found[1], "2");
  EXPECT_EQ(found[2], "odd");
  EXPECT_FALSE(found[3]) << "an object is no word";
}

TEST(JsonScan, ReadsNumbersAsTheyAreWritten) {
  EXPECT_EQ(one(R"({"id":12345678901234567890123})"), "12345678901234567890123");
  EXPECT_EQ(one(R"({"id":-1.5e3})"), "-1.5e3");
}

TEST(JsonScan, DecodesEscapesInKeysAndValues) {
  EXPECT_EQ(one(R"({"\u0069d":"a\"b\\\u00e9\ud83d\ude00"})"), "a\"b\\é😀");
  EXPECT_EQ(one(R"({"x":"\\","y":"\\\"","id":"after"})"), "after");
  EXPECT_FALSE(one(R"({"id":"\ud83d"})")) << "half a surrogate pair";
  EXPECT_FALSE(one(R"({"id":"\q"})"));
}

TEST(JsonScan, CountsOtherValuesAsAbsent) {
  for (const char* value : {"null", "true", "false", "{}", "[]", "\"\"", "[\"x\"]"}) {
    EXPECT_FALSE(one("{\"id\":" + std::string(value) + "}")) << value;
  }
}

TEST(JsonScan, TakesTheFirstOfEqualKeys) {
  EXPECT_EQ(one(R"({"id":"first","id":"second"})"), "first");
  EXPECT_EQ(one(R"({"id":null,"id":"second"})"), "second");
}

TEST(JsonScan, FindsNothingInBrokenText) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[",
                           "\"",
                           "{\"id\"",
                           "{\"id\":",
                           "{\"id\" \"x\"}",
                           "{id:\"x\"}",
                           "{'id':'x'}",
                           "{\"a\":1 \"id\":\"x\"}",
                           "{\"a\":[}],\"id\":\"x\"}",
                           "{\"a\":{]},\"id\":\"x\"}",
                           "{\"a\":nul,\"id\":\"x\"}",
                           "{\"a\":\"unended",
                           "{,\"id\":\"x\"}",
                           "{\"a\":,\"id\":\"x\"}",
                           "id=x&type=y",
                           "\xff\xfe",
                           "{\"id\":\"x"}) {
    EXPECT_FALSE(one(text)) << text;
  }
  const JsonFound found = scan(R"({"id":"x","a":)", {"/id", "/type"});
  EXPECT_FALSE(found[0]) << "broken before all was found";
}

TEST(JsonScan, DoesNotReadBehindWhatItNeeds) {
  EXPECT_EQ(one(R"({"id":"x", what follows is not JSON)"), "x");
}

TEST(JsonScan, BoundsTheDepth) {
  const auto nested = [](std::size_t depth) {
    return R"({"a":)" + std::string(depth, '[') + std::string(depth, ']') + R"(,"id":"x"})";
  };
  EXPECT_EQ(one(nested(kJsonDepthMax)), "x");
  EXPECT_FALSE(one(nested(kJsonDepthMax + 1)));
  EXPECT_FALSE(one(std::string(1'000'000, '[')));
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += R"({"id":)";
  EXPECT_FALSE(one(objects));
}

TEST(JsonScan, IsLinearInBackslashes) {
  std::string text = R"({"a":")" + std::string(2'000'000, '\\') + R"(","id":"x"})";
  EXPECT_EQ(one(text), "x");
}

TEST(JsonPointer, RefusesWhatIsNone) {
  for (const char* text : {"", "id", "/a~", "/a~2", "/1/2/3/4/5/6/7/8/9"}) {
    EXPECT_FALSE(JsonPointer::parse(text)) << text;
  }
  EXPECT_EQ(JsonPointer::parse("/a//b").value().tokens, (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(JsonPointer::parse("/").value().tokens, (std::vector<std::string>{""}));
}

boost::json::value random_value(SeededRandom& random, int depth) {
  switch (random.u64() % (depth > 0 ? 7 : 5)) {
    case 0:
      return nullptr;
    case 1:
      return random.u64() % 2 == 0;
    case 2:
      return static_cast<std::int64_t>(random.u64() % 1000);
    case 3:
      return boost::json::string(random.bytes(random.u64() % 6).c_str());
    case 4:
      return boost::json::string("plain \" \\ text");
    case 5: {
      boost::json::array out;
      for (auto i = random.u64() % 4; i > 0; --i) out.push_back(random_value(random, depth - 1));
      return out;
    }
    default: {
      boost::json::object out;
      for (auto i = random.u64() % 5; i > 0; --i) {
        const std::string_view keys[] = {"id", "type", "a", "e\"vent", "data"};
        out[keys[random.u64() % 5]] = random_value(random, depth - 1);
      }
      return out;
    }
  }
}

std::optional<std::string> expected_at(const boost::json::value& value, std::string_view pointer) {
  boost::json::error_code error;
  const auto* const found = value.find_pointer(pointer, error);
  if (found == nullptr) return std::nullopt;
  if (found->is_string() && !found->get_string().empty()) return std::string(found->get_string());
  if (found->is_int64()) return std::to_string(found->get_int64());
  return std::nullopt;
}

TEST(JsonScan, AgreesWithATreeOfTheSameText) {
  SeededRandom random(11);
  const std::vector<std::string> paths = {"/id",           "/type", "/data/id", "/a/0/id",
                                          "/e\"vent/type", "/0",    "/a/1"};
  for (int i = 0; i < 3000; ++i) {
    const std::string text = boost::json::serialize(random_value(random, 5));
    boost::json::error_code error;
    const auto tree = boost::json::parse(text, error);
    if (error) continue;  // random bytes are seldom UTF-8
    const JsonFound found = scan(text, paths);
    for (std::size_t p = 0; p < paths.size(); ++p)
      EXPECT_EQ(found[p], expected_at(tree, paths[p])) << text << paths[p];
  }
}

}  // namespace
}  // namespace postern::relay
