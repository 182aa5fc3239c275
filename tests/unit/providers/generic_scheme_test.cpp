#include "relay/providers/generic_scheme.hpp"

#include <gtest/gtest.h>

#include "relay/providers/compiled_source.hpp"
#include "signed_request.hpp"

namespace postern::relay {
namespace {

std::string refusal(std::string_view json) {
  const auto scheme = parse_generic_scheme(json);
  if (scheme) return "accepted";
  EXPECT_EQ(scheme.error().code, "scheme_invalid");
  return scheme.error().message;
}

TEST(GenericScheme, HasDefaults) {
  const auto scheme = parse_generic_scheme(R"({"header":"X-Signature"})").value();
  EXPECT_EQ(scheme.header_sets.front().signature, "X-Signature");
  EXPECT_EQ(scheme.encoding, Encoding::hex);
  EXPECT_EQ(scheme.digest, Digest::sha256);
  EXPECT_EQ(scheme.key, KeyForm::text);
  EXPECT_TRUE(scheme.dedupe.empty());
  EXPECT_TRUE(scheme.type.empty());
  ASSERT_EQ(scheme.message.size(), 1U);
  EXPECT_EQ(scheme.message[0].kind, MessagePart::Kind::body);
}

TEST(GenericScheme, NamesTheFieldThatIsWrong) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "scheme must be a JSON object"},
      {"[]", "scheme must be a JSON object"},
      {"{}", "scheme.header is required"},
      {R"({"header":"X Y"})", "scheme.header must be a header name"},
      {R"({"header":7})", "scheme.header must be a string"},
      {R"({"header":"X","prefixx":""})", "scheme has a field that is not known; did you mean \"prefix\"?"},
      {R"({"header":"X","zzzzzzzz":""})", "scheme has a field that is not known"},
      {R"({"header":"X","encoding":"HEX"})", "scheme.encoding must be one of hex, base64, base64url"},
      {R"({"header":"X","digest":"md5"})", "scheme.digest must be one of sha1, sha256, sha512"},
      {R"({"header":"X","key":"whsec"})", "scheme.key must be one of text, base64, hex"},
      {R"({"header":"X","prefix":"a\nb"})", "scheme.prefix must be printable ASCII"},
      {R"({"header":"X","timestamp":"T"})", "scheme.timestamp must be an object"},
      {R"({"header":"X","timestamp":{}})", "scheme.timestamp.header is required"},
      {R"({"header":"X","timestamp":{"header":"T","format":"unix"}})",
       "scheme.timestamp.format must be one of seconds, milliseconds, rfc3339"},
      {R"({"header":"X","timestamp":{"header":"T","tolerance_seconds":0}})",
       "scheme.timestamp.tolerance_seconds must be a whole number from 1 to 86400"},
      {R"({"header":"X","timestamp":{"header":"T","tolerance_seconds":"300"}})",
       "scheme.timestamp.tolerance_seconds must be a whole number from 1 to 86400"},
      {R"({"header":"X","timestamp":{"header":"T"},"message":"{body}"})",
       "scheme.message must contain {timestamp}, or it is not signed"},
      {R"({"header":"X","message":"{timestamp}{body}"})",
       "scheme.message uses {timestamp}, which needs \"timestamp\""},
      {R"({"header":"X","message":"hello"})", "scheme.message must contain {body}"},
      {R"({"header":"X","message":"{url}{body}"})", "scheme.message knows only {timestamp}, {id} and {body}"},
      {R"({"header":"X","message":"{body"})", "scheme.message knows only {timestamp}, {id} and {body}"},
      {R"({"header":"X","message":"}{body}"})", "scheme.message has a '}' without a '{'"},
      {R"({"header":"X","message":"{id}.{body}"})",
       "scheme.message uses {id}, which needs \"dedupe\": {\"header\": …}"},
      {R"({"header":"X","dedupe":"id"})", "scheme.dedupe must be an object"},
      {R"({"header":"X","dedupe":{}})", "scheme.dedupe must have exactly one of \"header\" and \"pointer\""},
      {R"({"header":"X","type":{"header":"A","pointer":"/b"}})",
       "scheme.type must have exactly one of \"header\" and \"pointer\""},
      {R"({"header":"X","type":{"pointer":"type"}})",
       "scheme.type.pointer is not usable: a JSON pointer starts with '/', such as /id"},
  };
  for (const auto& [json, message] : cases) EXPECT_EQ(refusal(json), message) << json;
  EXPECT_EQ(refusal(R"({"header":")" + std::string(9000, 'x') + "\"}"), "scheme is longer than 8 KiB");
}

std::unique_ptr<CompiledSource> compiled(std::string scheme, std::string secret) {
  Source source;
  source.provider = "generic-hmac";
  source.scheme_json = std::move(scheme);
  source.secrets = {std::move(secret)};
  return std::move(CompiledSource::make(source).value());
}

TEST(GenericScheme, VerifiesEveryDigestEncodingAndKeyForm) {
  const std::string key = "sixteen byte key";
  const std::vector<std::pair<std::string, Digest>> digests = {
      {"sha1", Digest::sha1}, {"sha256", Digest::sha256}, {"sha512", Digest::sha512}};
  const std::vector<std::pair<std::string, std::string (*)(std::string_view)>> encodings = {
      {"hex", hex_encode}, {"base64", base64_encode}, {"base64url", base64url_encode}};
  const std::vector<std::pair<std::string, std::string>> keys = {
      {"text", key}, {"base64", base64_encode(key)}, {"hex", hex_encode(key)}};
  for (const auto& [digest_name, digest] : digests) {
    for (const auto& [encoding_name, encode] : encodings) {
      for (const auto& [key_name, secret] : keys) {
        const std::string scheme =
            fmt::format(R"({{"header":"X-Sig","prefix":"p=","digest":"{}","encoding":"{}","key":"{}"}})",
                        digest_name, encoding_name, key_name);
        const auto source = compiled(scheme, secret);
        http::Headers headers = {{"x-sig", "p=" + encode(hmac(digest, key, "the body"))}};
        EXPECT_TRUE(source->verify(headers, "the body", kNow).ok()) << scheme;
        EXPECT_EQ(source->verify(headers, "the Body", kNow).code, "no_matching_secret") << scheme;
      }
    }
  }
}

TEST(GenericScheme, ReadsRfc3339Timestamps) {
  const auto source =
      compiled(R"({"header":"S","timestamp":{"header":"T","format":"rfc3339","tolerance_seconds":60},
                                   "message":"{timestamp}{body}"})",
               "secret secret");
  const auto verdict = [&](const std::string& at) {
    return source->verify({{"S", hex_encode(hmac_sha256("secret secret", at + "x"))}, {"T", at}}, "x", kNow);
  };
  EXPECT_TRUE(verdict("2023-11-14T22:13:20Z").ok());
  EXPECT_TRUE(verdict("2023-11-14T23:14:20.000+01:00").ok());
  EXPECT_EQ(verdict("2023-11-14T22:12:19.999Z").skew_seconds, 61) << "60.001 s, away from zero";
  EXPECT_EQ(verdict("2023-11-14T22:14:20.001Z").skew_seconds, -61);
  EXPECT_EQ(verdict("1700000000").code, "malformed_signature");
}

TEST(GenericScheme, ASignedIdMustBeThereAndIsTheKey) {
  const auto source =
      compiled(R"({"header":"S","dedupe":{"header":"X-Id"},"message":"{id}:{body}"})", "secret secret");
  http::Headers headers = {{"S", hex_encode(hmac_sha256("secret secret", "42:x"))}, {"X-Id", "42"}};
  EXPECT_TRUE(source->verify(headers, "x", kNow).ok());
  EXPECT_EQ(source->identity(headers, "x", "").dedupe_key, "42");
  headers.pop_back();
  EXPECT_EQ(source->verify(headers, "x", kNow).code, "missing_header");
}

TEST(GenericScheme, TakesIdAndTypeFromHeadersOrPointers) {
  const auto source = compiled(
      R"({"header":"S","dedupe":{"pointer":"/meta/id"},"type":{"header":"X-Event"}})", "secret secret");
  const auto identity = source->identity({{"x-event", "made"}}, R"({"meta":{"id":7}})", "topic");
  EXPECT_EQ(identity.type, "made");
  EXPECT_EQ(identity.dedupe_key, "7");
}

}  // namespace
}  // namespace postern::relay
