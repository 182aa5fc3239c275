#include "relay/routing/wire.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "relay/routing/payload.hpp"
#include "relay/routing/sandbox.hpp"

namespace postern::relay {
namespace {

std::string_view content_of(const std::string& frame) {
  return std::string_view(frame).substr(kFrameHead);
}

Ruling transformed() {
  Ruling ruling{.kind = Ruling::Kind::transformed, .stage = Stage::transform};
  ruling.payload = std::make_shared<const Payload>(
      Payload{std::string("a\0b", 3), {{"Content-Type", "application/json"}, {"X", ""}}});
  return ruling;
}

TEST(WireTest, ARequestComesBackAsItWas) {
  WorkerRequest request;
  request.task = WorkerRequest::Task::run;
  request.program_time_us = 100'000;
  request.input_time_us = 7;
  request.meta = "{}";
  request.body = std::string_view("\0\xff", 2);
  request.routes = {{"a", "b"}, {"", ""}, {"c", ""}};
  const std::string frame = encode(request, 1);
  EXPECT_EQ(frame_length(std::string_view(frame).substr(0, kFrameHead), kRequestBytesMax),
            frame.size() - kFrameHead);
  const auto back = decode_request(content_of(frame));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->program_time_us, 100'000U);
  EXPECT_EQ(back->input_time_us, 7U);
  EXPECT_EQ(back->meta, request.meta);
  EXPECT_EQ(back->body, request.body);
  EXPECT_EQ(back->routes, (std::vector<RoutePrograms>{{"", ""}, {"c", ""}}));
}

TEST(WireTest, ARulingComesBackAsItWas) {
  const auto failed = decode_ruling(content_of(encode(Ruling::failed(Stage::filter, Fault::memory, "why"))));
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->kind, Ruling::Kind::failed);
  EXPECT_EQ(failed->stage, Stage::filter);
  EXPECT_EQ(failed->fault, Fault::memory);
  EXPECT_EQ(failed->message, "why");
  const auto made = decode_ruling(content_of(encode(transformed())));
  ASSERT_TRUE(made && made->payload);
  EXPECT_EQ(made->payload->body, transformed().payload->body);
  EXPECT_EQ(made->payload->headers, transformed().payload->headers);
}

TEST(WireTest, APieceOfAFrameIsNone) {
  const std::string frame = encode(transformed());
  const std::string_view whole = content_of(frame);
  // It ends with whole headers: only there a shorter one is sound as well.
  int sound = 0;
  for (std::size_t size = 0; size < whole.size(); ++size)
    sound += decode_ruling(whole.substr(0, size)) ? 1 : 0;
  EXPECT_EQ(sound, 2);
  EXPECT_FALSE(decode_ruling(std::string(whole) + "x"));
  WorkerRequest request;
  request.routes = {{"a", "b"}};
  const std::string asked = encode(request);
  EXPECT_TRUE(decode_request(content_of(asked)));
  EXPECT_FALSE(decode_request(content_of(asked).substr(0, asked.size() - kFrameHead - 1)));
}

TEST(WireTest, GarbageIsRefusedAndCostsNothing) {
  SeededRandom random{7};
  for (int round = 0; round < 20'000; ++round) {
    const std::string noise = random.bytes(static_cast<std::size_t>(round % 64));
    const auto ruling = decode_ruling(noise);
    if (ruling && ruling->payload) check_payload(*ruling->payload);
    decode_request(noise);
  }
  // A length that says more than is there.
  EXPECT_FALSE(decode_ruling(std::string("\0\0\0\xff\xff\xff\x7f", 7)));
  EXPECT_FALSE(decode_ruling("\x09"));
  EXPECT_FALSE(frame_length("abc", 10));
  EXPECT_FALSE(frame_length(std::string("\xff\xff\xff\xff", 4), kReplyBytesMax));
}

TEST(WireTest, EveryEndHasACodeOfItsOwn) {
  for (const Fault fault : {Fault::time, Fault::memory, Fault::crashed}) {
    for (const Stage stage : {Stage::input, Stage::filter, Stage::transform}) {
      const auto end = worker_end_of(exit_code({fault, stage}));
      ASSERT_TRUE(end);
      EXPECT_EQ(end->fault, fault);
      EXPECT_EQ(end->stage, stage);
    }
  }
  for (const int code : {0, 1, 2, 63, 73, 127}) EXPECT_FALSE(worker_end_of(code)) << code;
}

TEST(PayloadCheckTest, BelievesNothing) {
  const auto with = [](std::string name, std::string value) {
    return check_payload({"{}", {{"Content-Type", "application/json"}, {std::move(name), std::move(value)}}});
  };
  EXPECT_TRUE(with("X-Shop", "a b\tc"));
  EXPECT_TRUE(with("Authorization", "Bearer x"));
  for (const char* name :
       {"Host", "CONTENT-LENGTH", "Transfer-Encoding", "Connection", "Proxy-Authorization",
        "Postern-Event-Id", "webhook-id", "Cookie", "", "a b", "a:b", "a\nb", "traceparent"}) {
    EXPECT_FALSE(with(name, "x")) << name;
  }
  for (const char* value : {"a\r\nb", "a\nb", " a", "a ", "\x7f", "\x01"})
    EXPECT_FALSE(with("X", value)) << value;
  EXPECT_FALSE(with("X", std::string("a\0b", 3)));
  EXPECT_FALSE(check_payload({"{}", {}})) << "what is sent has a type";
  EXPECT_FALSE(with("content-type", "text/plain"));
  EXPECT_EQ(check_payload({std::string(kPayloadBytesMax + 1, 'x'), {{"Content-Type", "a"}}}).error().code,
            "too_large");
}

}  // namespace
}  // namespace postern::relay
