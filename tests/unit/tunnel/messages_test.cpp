#include "tunnel-proto/messages.hpp"

#include <gtest/gtest.h>

#include "tunnel-proto/tunnel.pb.h"

namespace postern::tunnel {
namespace {

DeliverHead deliver() {
  DeliverHead head;
  head.delivery_id.uuid.fill(1);
  head.attempt = 3;
  head.answered = 2;
  head.deadline = std::chrono::milliseconds(1500);
  head.tls = true;
  head.host = "app";
  head.port = 443;
  head.method = "POST";
  head.target = std::string("/a?b=\xff\x01", 7);
  head.headers = {{"X-A", "1"}, {"x-a", std::string("\x00\xfe", 2)}, {"", ""}};
  head.body_size = 12;
  return head;
}

ResultHead result() {
  ResultHead head;
  head.outcome = ResultOutcome::delivered;
  head.status = 204;
  head.headers = {{"B", "2"}};
  head.truncated = true;
  head.connect = std::chrono::microseconds(11);
  head.total = std::chrono::microseconds(99);
  return head;
}

TEST(Messages, DeliverKeepsEveryByte) {
  const auto bytes = encode(deliver());
  ASSERT_TRUE(bytes);
  const auto back = decode_deliver(*bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->delivery_id, deliver().delivery_id);
  EXPECT_EQ(back->attempt, 3U);
  EXPECT_EQ(back->answered, 2U);
  EXPECT_TRUE(back->tls);
  EXPECT_EQ(back->deadline, deliver().deadline);
  EXPECT_EQ(back->target, deliver().target);
  EXPECT_EQ(back->headers, deliver().headers);
  EXPECT_EQ(back->body_size, 12U);
}

TEST(Messages, AcknowledgementsAreFixedInSize) {
  std::vector<ResultAck> acks(kResultAcksMost);
  for (std::size_t i = 0; i < acks.size(); ++i) {
    acks[i].delivery_id.uuid.fill(static_cast<std::uint8_t>(i));
    acks[i].attempt = static_cast<std::uint32_t>(i << 20);
  }
  const std::string bytes = encode(acks);
  EXPECT_EQ(decode_result_acks(bytes).value(), acks);
  EXPECT_FALSE(decode_result_acks(""));
  EXPECT_FALSE(decode_result_acks(bytes.substr(1)));
  EXPECT_FALSE(decode_result_acks(bytes + bytes.substr(0, kResultAckSize)));
}

TEST(Messages, HeadersReadAsAnyProtobufReaderWould) {
  DeliverHead head = deliver();
  for (const std::size_t size : {1U, 127U, 128U, 16'383U, 16'384U}) {
    head.headers.push_back({std::string(size % 200, 'n'), std::string(size, 'v')});
  }
  wire::Deliver message;
  ASSERT_TRUE(message.ParseFromString(*encode(head, 7)));
  EXPECT_EQ(message.body_size(), 7U);
  ASSERT_EQ(static_cast<std::size_t>(message.headers_size()), head.headers.size());
  for (std::size_t i = 0; i < head.headers.size(); ++i) {
    EXPECT_EQ(message.headers(static_cast<int>(i)).name(), head.headers[i].name);
    EXPECT_EQ(message.headers(static_cast<int>(i)).value(), head.headers[i].value);
  }
}

TEST(Messages, WhatIngestAcceptsFitsWithWhatTheRelayAdds) {
  constexpr std::size_t kTarget = 8 * 1024;
  constexpr std::size_t kFields = 128;
  const std::string name = "X-Some-Name";
  const std::string value((64 * 1024 - kTarget) / kFields - name.size() - 4, 'v');  // with ": " and CRLF
  DeliverHead head = deliver();
  head.target = std::string(kTarget + 2048, '/');  // the destination's own path and query, too
  for (std::size_t i = 0; i < kFields + 10; ++i) head.headers.push_back({name, value});
  EXPECT_TRUE(encode(head));
}

TEST(Messages, ResultKeepsEveryField) {
  const auto back = decode_result(*encode(result()));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->status, 204);
  EXPECT_EQ(back->headers, result().headers);
  EXPECT_TRUE(back->truncated);
  EXPECT_EQ(back->connect, result().connect);
  EXPECT_EQ(back->total, result().total);
}

TEST(Messages, ADeadlineIsNeverRoundedToNone) {
  DeliverHead head = deliver();
  head.deadline = std::chrono::microseconds(1);
  EXPECT_EQ(decode_deliver(*encode(head))->deadline, std::chrono::milliseconds(1));
}

TEST(Messages, RefusesHeadsThatMakeNoSense) {
  const auto code = [](auto edit) {
    DeliverHead head = deliver();
    edit(head);
    const auto back = decode_deliver(*encode(head));
    return back ? "ok" : back.error().code;
  };
  EXPECT_EQ(code([](DeliverHead&) {}), "ok");
  EXPECT_EQ(code([](DeliverHead& h) { h.port = 0; }), "bad_head");
  EXPECT_EQ(code([](DeliverHead& h) { h.host.clear(); }), "bad_head");
  EXPECT_EQ(code([](DeliverHead& h) { h.method.clear(); }), "bad_head");
  EXPECT_EQ(code([](DeliverHead& h) { h.headers.resize(257); }), "bad_head");
  EXPECT_EQ(decode_deliver("\xff\xff").error().code, "bad_head");
  EXPECT_EQ(decode_deliver("").error().code, "bad_head");
  wire::Deliver far;
  ASSERT_TRUE(far.ParseFromString(*encode(deliver())));
  far.set_port(65536);
  EXPECT_FALSE(decode_deliver(far.SerializeAsString()));
  far.set_port(80);
  far.set_delivery_id("short");
  EXPECT_FALSE(decode_deliver(far.SerializeAsString()));
}

TEST(Messages, AnAnswerHasAStatusAndAFailureNeedsNone) {
  ResultHead head = result();
  head.status = 0;
  EXPECT_FALSE(decode_result(*encode(head)));
  head.status = 1000;
  EXPECT_FALSE(decode_result(*encode(head)));
  head.status = 0;
  head.error_code = "connect_failed";
  head.outcome = ResultOutcome::not_sent;
  EXPECT_TRUE(decode_result(*encode(head)));
  wire::ResultHead raw;
  raw.set_status(200);
  EXPECT_FALSE(decode_result(raw.SerializeAsString())) << "no outcome";
  raw.set_outcome(5);
  EXPECT_FALSE(decode_result(raw.SerializeAsString()));
}

TEST(Messages, HugeNumbersOfAPeerDoNotWrap) {
  wire::ResultHead raw;
  raw.set_outcome(1);
  raw.set_status(200);
  raw.set_total_us(~0ULL);
  EXPECT_GT(decode_result(raw.SerializeAsString())->total, Duration(0));
  wire::GoAway goaway;
  goaway.set_reconnect_after_ms(~0ULL);
  EXPECT_GT(decode_goaway(goaway.SerializeAsString())->reconnect_after, Duration(0));
}

TEST(Messages, AHeadThatDoesNotFitInAFrameIsToldSo) {
  DeliverHead head = deliver();
  head.headers = {{"X", std::string(kMaxMessage, 'x')}};
  EXPECT_EQ(encode(head).error().code, "too_large");
}

TEST(Messages, GoAwayComesBack) {
  GoAway goaway{"shutdown", "bye", std::chrono::seconds(2), std::chrono::seconds(3), 17};
  const auto back = decode_goaway(encode(goaway));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->code, "shutdown");
  EXPECT_EQ(back->message, "bye");
  EXPECT_EQ(back->reconnect_after, std::chrono::seconds(2));
  EXPECT_EQ(back->spread, std::chrono::seconds(3));
  EXPECT_EQ(back->last_stream, 17U);
}

}  // namespace
}  // namespace postern::tunnel
