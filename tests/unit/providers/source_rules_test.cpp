#include "relay/providers/source_rules.hpp"

#include <gtest/gtest.h>

#include "relay/providers/compiled_source.hpp"

namespace postern::relay {
namespace {

Source source_of(std::string provider, std::vector<std::string> secrets) {
  Source source;
  source.provider = std::move(provider);
  source.secrets = std::move(secrets);
  return source;
}
Error refusal(const Source& source) {
  const auto result = validate_source(source);
  return result ? Error{"accepted", ""} : result.error();
}

TEST(SourceRules, AcceptEveryProvidersOwnKindOfSecret) {
  const std::string whsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  for (const Provider& row : providers()) {
    Source source = source_of(row.name, {whsec});
    if (!row.scheme) source.scheme_json = R"({"header":"X-Sig"})";
    EXPECT_EQ(refusal(source).code, "accepted") << row.name;
    EXPECT_TRUE(CompiledSource::make(source));
  }
}

TEST(SourceRules, NameTheNearestProviderAndAllOfThem) {
  const Error error = refusal(source_of("strpe", {"12345678"}));
  EXPECT_EQ(error.code, "unknown_provider");
  EXPECT_EQ(
      error.message,
      "provider is not known; did you mean \"stripe\"? one of: standard-webhooks, stripe, github, shopify, "
      "slack, chargify, generic-hmac");
  EXPECT_EQ(refusal(source_of("", {})).message.find("did you mean"), std::string::npos);
  EXPECT_EQ(refusal(source_of("Stripe", {"12345678"})).code, "unknown_provider");
}

TEST(SourceRules, NeedASecretOrSayUnsigned) {
  EXPECT_EQ(refusal(source_of("github", {})).code, "secret_required");
  Source open = source_of("github", {});
  open.unsigned_ok = true;
  EXPECT_EQ(refusal(open).code, "accepted");
  open.secrets = {"12345678"};
  EXPECT_EQ(refusal(open).code, "unsigned_conflict");
}

TEST(SourceRules, LookAtEverySecret) {
  const auto code = [](std::string provider, std::vector<std::string> secrets) {
    return refusal(source_of(std::move(provider), std::move(secrets)));
  };
  EXPECT_EQ(code("github", {"1234567"}).message, "secrets[0] makes a key of 7 bytes; at least 8 are needed");
  EXPECT_EQ(code("github", {"12345678", ""}).message, "secrets[1] is empty");
  EXPECT_EQ(code("github", {"12345678", "12345678\n"}).message, "secrets[1] starts or ends with white space");
  EXPECT_EQ(code("github", {"12345678", "12345678"}).code, "secret_repeated");
  EXPECT_EQ(code("github", {std::string(1025, 'x')}).code, "secret_too_long");
  EXPECT_EQ(code("github", std::vector<std::string>(11, "12345678")).code, "secrets_too_many");
  EXPECT_EQ(code("standard-webhooks", {"whsec_not base64!"}).message,
            "secrets[0] must be \"whsec_\" and then padded base64");
  EXPECT_EQ(code("standard-webhooks", {"whsec_AAAA"}).message,
            "secrets[0] makes a key of 3 bytes; at least 16 are needed");
  EXPECT_EQ(code("standard-webhooks", {"whsec_"}).code, "secret_too_short");
}

TEST(SourceRules, TieSchemeToGenericHmac) {
  Source source = source_of("stripe", {"12345678"});
  source.scheme_json = "{}";
  EXPECT_EQ(refusal(source).code, "scheme_unexpected");
  source = source_of("generic-hmac", {"12345678"});
  EXPECT_EQ(refusal(source).code, "scheme_required");
  source.scheme_json = R"({"header":"X","digest":"md5"})";
  EXPECT_EQ(refusal(source).code, "scheme_invalid");
  source.scheme_json = R"({"header":"X","key":"hex"})";
  EXPECT_EQ(refusal(source).message, "secrets[0] makes a key of 4 bytes; at least 8 are needed");
  source.secrets = {"xyz"};
  EXPECT_EQ(refusal(source).message, "secrets[0] must be hexadecimal, two digits a byte");
}

TEST(SourceRules, NeverRepeatASecret) {
  const std::string canary = "canary!! ";
  EXPECT_EQ(refusal(source_of("github", {canary})).message.find("canary"), std::string::npos);
  EXPECT_EQ(refusal(source_of("standard-webhooks", {"canary!!"})).message.find("canary"), std::string::npos);
}

TEST(CompiledSource, WithoutSecretsMustBeUnsigned) {
  EXPECT_EQ(CompiledSource::make(source_of("github", {})).error().code, "secret_required");
  Source open = source_of("github", {});
  open.unsigned_ok = true;
  EXPECT_FALSE(CompiledSource::make(open).value()->is_signed());
}

}  // namespace
}  // namespace postern::relay
