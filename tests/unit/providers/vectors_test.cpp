#include <gtest/gtest.h>

#include "relay/providers/compiled_source.hpp"
#include "signed_request.hpp"

/// Examples the providers publish, and what is peculiar to one of them.
namespace postern::relay {
namespace {

SignatureVerdict verify(std::string_view provider, std::string secret, const http::Headers& headers,
                        std::string_view body, Time at = kNow) {
  Source source;
  source.provider = provider;
  source.secrets = {std::move(secret)};
  auto made = CompiledSource::make(source);
  EXPECT_TRUE(made) << made.error().message;
  return (*made)->verify(headers, body, at);
}

TEST(PublishedVector, GitHub) {
  // docs.github.com, "Testing the webhook payload validation".
  const http::Headers headers = {
      {"X-Hub-Signature-256", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"}};
  EXPECT_TRUE(verify("github", "It's a Secret to Everybody", headers, "Hello, World!").ok());
  EXPECT_EQ(verify("github", "It's a Secret to Everybody", headers, "Hello, World").code,
            "no_matching_secret");
}

TEST(PublishedVector, StandardWebhooks) {
  // The example the specification's own libraries and Svix's documentation test with.
  const http::Headers headers = {{"svix-id", "msg_p5jXN8AQM9LWM0D4loKWxJek"},
                                 {"svix-timestamp", "1614265330"},
                                 {"svix-signature", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="}};
  const Time then = Time(std::chrono::seconds(1'614'265'330));
  const std::string secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  EXPECT_TRUE(verify("standard-webhooks", secret, headers, R"({"test": 2432232314})", then).ok());
  EXPECT_TRUE(verify("standard-webhooks", secret.substr(6), headers, R"({"test": 2432232314})", then).ok());
}

TEST(PublishedVector, Slack) {
  // api.slack.com, "Verifying requests from Slack": a slash command, form-encoded.
  const http::Headers headers = {
      {"X-Slack-Request-Timestamp", "1531420618"},
      {"X-Slack-Signature", "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"}};
  const std::string body =
      "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&"
      "channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
      "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%"
      "2F96rGlfmibIGlgcZRskXaIFfN&"
      "trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
  EXPECT_TRUE(verify("slack", "8f742231b10e8888abcd99yyyzzz85a5", headers, body,
                     Time(std::chrono::seconds(1'531'420'618)))
                  .ok());
}

TEST(Stripe, TriesEveryV1AndIgnoresV0) {
  SignedRequest request = sign_stripe("whsec_used_verbatim", "{}", now_seconds());
  const std::string good = request.signature().substr(request.signature().find("v1="));
  const std::string wrong(64, 'a');
  request.signature() = "t=1700000000,v1=" + wrong + "," + good + ",v0=" + wrong;
  EXPECT_TRUE(verify("stripe", "whsec_used_verbatim", request.headers, "{}").ok());
  request.signature() = "t=1700000000,v0=" + good.substr(3);
  EXPECT_EQ(verify("stripe", "whsec_used_verbatim", request.headers, "{}").code, "malformed_signature");
  request.signature() = "t=1700000000,v1=short," + good;
  EXPECT_TRUE(verify("stripe", "whsec_used_verbatim", request.headers, "{}").ok());
  request.signature() = good + ", t=1700000000";
  EXPECT_TRUE(verify("stripe", "whsec_used_verbatim", request.headers, "{}").ok())
      << "any order, blanks trimmed";
  request.signature() = good;
  EXPECT_EQ(verify("stripe", "whsec_used_verbatim", request.headers, "{}").code, "malformed_signature");
}

TEST(Stripe, RefusesAListWithoutEnd) {
  SignedRequest request = sign_stripe("whsec_used_verbatim", "{}", now_seconds());
  for (int i = 0; i < 16; ++i) request.signature().append(",v1=").append(64, 'a');
  const SignatureVerdict verdict = verify("stripe", "whsec_used_verbatim", request.headers, "{}");
  EXPECT_EQ(verdict.code, "malformed_signature");
  EXPECT_NE(verdict.message.find("more than 16"), std::string::npos);
}

TEST(StandardWebhooks, TriesEveryItemOfTheList) {
  const std::string secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  SignedRequest request = sign_webhook(secret, "{}", now_seconds());
  const std::string good = request.signature();
  request.signature() = "v1a,AAAA  v1," + base64_encode(std::string(32, 'x')) + " " + good + " v2,zzz";
  EXPECT_TRUE(verify("standard-webhooks", secret, request.headers, "{}").ok());
  request.signature() = "v1a," + good.substr(3);
  EXPECT_EQ(verify("standard-webhooks", secret, request.headers, "{}").code, "malformed_signature");
}

TEST(StandardWebhooks, SignsItsId) {
  const std::string secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  SignedRequest request = sign_webhook(secret, "{}", now_seconds());
  request.value_of("webhook-id") = "msg_2";
  EXPECT_EQ(verify("standard-webhooks", secret, request.headers, "{}").code, "no_matching_secret");
  request.drop("webhook-id");
  EXPECT_EQ(verify("standard-webhooks", secret, request.headers, "{}").code, "missing_header");
}

TEST(StandardWebhooks, NeverMixesTheTwoFamiliesOfHeaders) {
  const std::string secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  SignedRequest request = sign_svix(secret, "{}", now_seconds());
  request.headers.push_back({"webhook-id", "chosen_by_a_replayer"});
  EXPECT_TRUE(verify("standard-webhooks", secret, request.headers, "{}").ok());
  const IdentityReader reader(*find_provider("standard-webhooks")->scheme);
  EXPECT_EQ(reader.read(request.headers, "{}", "").dedupe_key, "msg_1");
  request.headers.push_back({"webhook-signature", "v1," + base64_encode(std::string(32, 'x'))});
  EXPECT_EQ(verify("standard-webhooks", secret, request.headers, "{}").code, "missing_header");
}

TEST(GitHub, AcceptsUpperCaseHexAndNothingAroundIt) {
  SignedRequest request = sign_github("a secret of mine", "{}", 0);
  const std::string mac = request.signature().substr(7);
  std::string upper = mac;
  for (char& c : upper) c = c >= 'a' ? static_cast<char>(c - 32) : c;
  request.signature() = "sha256=" + upper;
  EXPECT_TRUE(verify("github", "a secret of mine", request.headers, "{}").ok());
  for (const std::string& bent : {" sha256=" + mac, "sha256= " + mac, "sha256=" + mac + " ", "SHA256=" + mac,
                                  mac, "sha256=" + mac + ",sha256=" + mac}) {
    request.signature() = bent;
    EXPECT_EQ(verify("github", "a secret of mine", request.headers, "{}").code, "malformed_signature")
        << bent;
  }
}

TEST(GitHub, NeverLooksAtItsSha1Header) {
  const http::Headers headers = {
      {"X-Hub-Signature", "sha1=" + hex_encode(hmac(Digest::sha1, "a secret of mine", "{}"))}};
  EXPECT_EQ(verify("github", "a secret of mine", headers, "{}").code, "missing_header");
}

TEST(Chargify, NeverFallsBackToItsMd5Header) {
  const http::Headers headers = {{"X-Chargify-Webhook-Signature", std::string(32, 'a')}};
  EXPECT_EQ(verify("chargify", "site shared key", headers, "id=1").code, "missing_header");
}

TEST(Shopify, RefusesUnpaddedAndUrlSafeBase64) {
  SignedRequest request = sign_shopify("shpss_0123456789", "{}", 0);
  request.signature().pop_back();
  EXPECT_EQ(verify("shopify", "shpss_0123456789", request.headers, "{}").code, "malformed_signature");
}

TEST(SignatureVerdict, CountsSkewInWholeSecondsOfTheReceiveTime) {
  const SignedRequest request = sign_stripe("whsec_used_verbatim", "{}", now_seconds() - 300);
  const Time late = kNow + std::chrono::milliseconds(999);
  EXPECT_TRUE(verify("stripe", "whsec_used_verbatim", request.headers, "{}", late).ok());
  const SignatureVerdict verdict =
      verify("stripe", "whsec_used_verbatim", request.headers, "{}", late + std::chrono::milliseconds(1));
  EXPECT_EQ(verdict.skew_seconds, 301);
  EXPECT_EQ(verdict.message, "the signature is 301 s old; 300 s are allowed");
}

}  // namespace
}  // namespace postern::relay
