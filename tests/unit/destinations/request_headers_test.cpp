#include "relay/destinations/request_headers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/bytes.hpp"
#include "relay/destinations/signing_secret.hpp"

namespace postern::relay {
namespace {

using http::Header;
using http::Headers;
using testing::ElementsAre;

// 32 bytes 0..31.
constexpr std::string_view kSecret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr std::string_view kTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

Event event_with(Headers headers) {
  Event event;
  event.id = *EventId::parse("evt_01jd8x0000e008000000000000");
  event.headers = std::move(headers);
  event.body = "{\"a\":1}";
  return event;
}

const DeliveryId kDelivery = *DeliveryId::parse("dlv_01jd8x0000e00800000000000g");

Headers sent(const Event& event, std::string_view secret = {}) {
  return build_request_headers({event, kDelivery, 3, secret, Time(std::chrono::seconds(1'700'000'000))})
      .value();
}

/// What of the original is left: everything before the relay's own.
Headers kept(Headers original) {
  Headers out = sent(event_with(std::move(original)));
  const auto own =
      std::find_if(out.begin(), out.end(), [](const Header& h) { return h.name == "Postern-Event-Id"; });
  out.erase(own, out.end());
  return out;
}

TEST(RequestHeaders, EndToEndHeadersKeepOrderCaseAndRepeats) {
  const Headers original = {{"X-GitHub-Event", "push"},
                            {"content-TYPE", "application/json"},
                            {"Accept", "*/*"},
                            {"X-A", "2"},
                            {"X-a", "1"},
                            {"x-a", ""},
                            {"User-Agent", "GitHub-Hookshot/1"},
                            {"Stripe-Signature", "t=1,v1=ab"},
                            {"X-Forwarded-For", "1.2.3.4"},
                            {"Authorization", "Basic dTpw"},
                            {"webhook-id", "msg_1"},
                            {"webhook-timestamp", "1"},
                            {"webhook-signature", "v1,xx"}};
  EXPECT_EQ(kept(original), original);
}

TEST(RequestHeaders, HopByHopHeadersStayBehind) {
  EXPECT_THAT(kept({{"Host", "relay"},
                    {"CONNECTION", "close, X-Hop ,\tx-other"},
                    {"Connection", "X-Third"},
                    {"X-Hop", "1"},
                    {"x-OTHER", "1"},
                    {"X-Third", "1"},
                    {"Keep-Alive", "5"},
                    {"Proxy-Authorization", "Basic x"},
                    {"Proxy-Authenticate", "x"},
                    {"proxy-connection", "close"},
                    {"TE", "trailers"},
                    {"Trailer", "X"},
                    {"Transfer-Encoding", "chunked"},
                    {"Upgrade", "h2c"},
                    {"HTTP2-Settings", "x"},
                    {"Expect", "100-continue"},
                    {"Content-Length", "7"},
                    {"X-Stays", "1"}}),
              ElementsAre(Header{"X-Stays", "1"}));
}

TEST(RequestHeaders, CookiesAndTheRelaysWordsStayBehind) {
  EXPECT_THAT(kept({{"Cookie", "a=b"},
                    {"cookie2", "x"},
                    {"Postern-Event-Id", "evt_forged"},
                    {"POSTERN-Anything", "1"},
                    {"X-Postern", "ok"}}),
              ElementsAre(Header{"X-Postern", "ok"}));
}

TEST(RequestHeaders, OnlyTheRelaysOwnKeyIsTakenOutOfAuthorization) {
  const std::string ours = "Bearer pk_01jd8x0000e008000000000000_" + std::string(36, 'a');
  EXPECT_TRUE(kept({{"Authorization", ours}}).empty());
  for (const char* others : {"Bearer pk_live_51H8", "Basic dXNlcjpwYXNz", "Bearer eyJhbGciOi", "token", ""}) {
    EXPECT_EQ(kept({{"Authorization", others}}).size(), 1u) << others;
  }
}

TEST(RequestHeaders, TheRelayAddsIdsAndATrace) {
  const Headers headers = sent(event_with({}));
  EXPECT_THAT(headers,
              ElementsAre(Header{"Postern-Event-Id", "evt_01jd8x0000e008000000000000"},
                          Header{"Postern-Delivery-Id", "dlv_01jd8x0000e00800000000000g"},
                          Header{"Postern-Attempt", "3"}, testing::Field(&Header::name, "traceparent")));
  const std::string& trace = headers.back().value;
  EXPECT_TRUE(is_valid_traceparent(trace)) << trace;
  EXPECT_EQ(trace.substr(3, 32), hex_encode(event_with({}).id.bytes()));
}

TEST(RequestHeaders, AValidTraceGoesOnAndABadOneIsReplaced) {
  EXPECT_EQ(kept({{"TraceParent", std::string(kTrace)}, {"tracestate", "a=b"}}).size(), 2u);
  EXPECT_EQ(http::count_header(sent(event_with({{"TraceParent", std::string(kTrace)}})), "traceparent"), 1u);
  for (const Headers& bad :
       {Headers{{"traceparent", "00-0-0-0"}, {"tracestate", "a=b"}},
        Headers{
            {"traceparent", std::string(kTrace)}, {"traceparent", std::string(kTrace)}, {"tracestate", "a"}},
        Headers{{"tracestate", "a=b"}},
        Headers{{"Connection", "traceparent"}, {"traceparent", std::string(kTrace)}}}) {
    const Headers out = sent(event_with(bad));
    EXPECT_EQ(http::count_header(out, "traceparent"), 1u);
    EXPECT_EQ(http::count_header(out, "tracestate"), 0u);
    EXPECT_NE(*http::find_header(out, "traceparent"), kTrace);
  }
}

TEST(RequestHeaders, ATransformsHeadersTakeThePlaceOfTheOriginals) {
  const Event event = event_with({{"content-type", "text/plain"},
                                  {"Content-Encoding", "gzip"},
                                  {"Digest", "x"},
                                  {"content-MD5", "x"},
                                  {"x-shop", "1"},
                                  {"X-SHOP", "2"},
                                  {"X-Stays", "1"}});
  const Payload payload{R"({"b":2})", {{"Content-Type", "application/json"}, {"X-Shop", "3"}}};
  const Headers headers =
      build_request_headers({event, kDelivery, 1, kSecret, Time(std::chrono::seconds(9)), &payload}).value();
  const Headers first(headers.begin(), headers.begin() + 3);
  EXPECT_THAT(first, ElementsAre(Header{"X-Stays", "1"}, Header{"Content-Type", "application/json"},
                                 Header{"X-Shop", "3"}));
  for (const char* gone : {"Content-Encoding", "Digest", "Content-MD5"}) {
    EXPECT_EQ(http::count_header(headers, gone), 0u) << gone;
  }
  const std::string key = *base64_decode(kSecret.substr(6));
  EXPECT_EQ(*http::find_header(headers, "webhook-signature"),
            webhook_signature(key, event.id.to_string(), "9", payload.body));
}

TEST(RequestHeaders, ASignatureReplacesTheProviders) {
  const Event event = event_with(
      {{"Webhook-Id", "msg_1"}, {"webhook-timestamp", "1"}, {"WEBHOOK-SIGNATURE", "v1,xx"}, {"X-A", "1"}});
  const Headers headers = sent(event, kSecret);
  for (const char* name : {"webhook-id", "webhook-timestamp", "webhook-signature"}) {
    EXPECT_EQ(http::count_header(headers, name), 1u) << name;
  }
  EXPECT_EQ(*http::find_header(headers, "webhook-id"), event.id.to_string());
  EXPECT_EQ(*http::find_header(headers, "webhook-timestamp"), "1700000000");
  const std::string key = *base64_decode(kSecret.substr(6));
  EXPECT_EQ(*http::find_header(headers, "webhook-signature"),
            webhook_signature(key, event.id.to_string(), "1700000000", event.body));
}

TEST(RequestHeaders, NothingTheSenderNamesInConnectionTakesOurSignatureAway) {
  const Headers headers = sent(event_with({{"Connection", "webhook-signature, postern-event-id"}}), kSecret);
  EXPECT_NE(http::find_header(headers, "webhook-signature"), nullptr);
  EXPECT_NE(http::find_header(headers, "Postern-Event-Id"), nullptr);
}

TEST(RequestHeaders, ABadSecretIsAnError) {
  const auto result = build_request_headers({event_with({}), kDelivery, 1, "whsec_short", Time()});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, "invalid_signing_secret");
}

TEST(WebhookSignature, MatchesThePublishedExample) {
  // Of the Standard Webhooks reference libraries' own tests.
  const auto key = decode_signing_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  ASSERT_TRUE(key);
  EXPECT_EQ(webhook_signature(*key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "{\"test\": 2432232314}"),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(SigningSecret, ANewOneDecodesTo32FreshBytes) {
  SeededRandom random(1);
  const std::string a = new_signing_secret(random);
  const std::string b = new_signing_secret(random);
  EXPECT_TRUE(a.starts_with("whsec_"));
  EXPECT_NE(a, b);
  EXPECT_EQ(decode_signing_secret(a)->size(), 32u);
}

TEST(SigningSecret, RefusesTheRest) {
  for (const std::string& bad :
       {std::string(), std::string("whsec_"), std::string("whsec_AAAA"), std::string("whsec_!"),
        "whsec_" + base64_encode(std::string(23, 'a')), "whsec_" + base64_encode(std::string(65, 'a'))}) {
    EXPECT_FALSE(decode_signing_secret(bad)) << bad;
  }
}

TEST(Traceparent, FollowsW3c) {
  EXPECT_TRUE(is_valid_traceparent(kTrace));
  EXPECT_TRUE(
      is_valid_traceparent("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes-next"));
  for (const char* bad : {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
                          "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
                          "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                          "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
                          "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x",
                          "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                          "0x-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}) {
    EXPECT_FALSE(is_valid_traceparent(bad)) << bad;
  }
}

TEST(OutboundTarget, AppendsTheQueryByteForByte) {
  EXPECT_EQ(outbound_target("/hook", ""), "/hook");
  EXPECT_EQ(outbound_target("/hook", "b=%20&a=+;x[]"), "/hook?b=%20&a=+;x[]");
  EXPECT_EQ(outbound_target("/hook?key=1", "a=2"), "/hook?key=1&a=2");
  EXPECT_EQ(outbound_target("/hook?", "a=2"), "/hook?a=2");
  EXPECT_EQ(outbound_target("/hook?key=1", ""), "/hook?key=1");
  EXPECT_EQ(outbound_target("/", "a=1 HTTP/1.1\r\nX: y\xff"), "/?a=1%20HTTP/1.1%0d%0aX:%20y%ff");
}

}  // namespace
}  // namespace postern::relay
