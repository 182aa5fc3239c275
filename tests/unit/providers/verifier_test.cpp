#include "relay/providers/verifier.hpp"

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "relay/providers/compiled_source.hpp"
#include "signed_request.hpp"

namespace postern::relay {
namespace {

const std::string kBody = R"({"id":"evt_1","type":"invoice.paid","text":"snow ☃ and )"
                          "\\u0000\"}";

class EveryProvider : public testing::TestWithParam<Signer> {
 protected:
  std::unique_ptr<CompiledSource> compiled(std::vector<std::string> secrets) const {
    Source source;
    source.provider = GetParam().provider;
    if (source.provider == "generic-hmac") source.scheme_json = kGenericScheme;
    source.secrets = std::move(secrets);
    auto made = CompiledSource::make(source);
    EXPECT_TRUE(made) << made.error().message;
    return std::move(*made);
  }
  SignedRequest genuine(std::int64_t skew = 0) const {
    return GetParam().sign(GetParam().secret, kBody, now_seconds() - skew);
  }
  SignatureVerdict verify(const SignedRequest& request) const { return verify(request, {GetParam().secret}); }
  SignatureVerdict verify(const SignedRequest& request, std::vector<std::string> secrets) const {
    return compiled(std::move(secrets))->verify(request.headers, request.body, kNow);
  }
};

/// Those whose signature covers a timestamp.
class TimedProvider : public EveryProvider {};

TEST_P(EveryProvider, AcceptsWhatTheSecretMade) {
  const SignatureVerdict verdict = verify(genuine());
  EXPECT_TRUE(verdict.ok()) << verdict.code << ": " << verdict.message;
}

TEST_P(EveryProvider, AcceptsAnEmptyBodyAndEveryByteValue) {
  std::string all(256, '\0');
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i);
  for (const std::string& body : {std::string(), all}) {
    EXPECT_TRUE(verify(GetParam().sign(GetParam().secret, body, now_seconds())).ok());
  }
}

TEST_P(EveryProvider, CanBeAskedAgainAndAgain) {
  const auto source = compiled({GetParam().secret});
  SignedRequest forged = genuine();
  forged.body += ' ';
  for (int i = 0; i < 3; ++i) {
    const SignedRequest request = genuine();
    EXPECT_TRUE(source->verify(request.headers, request.body, kNow).ok());
    EXPECT_EQ(source->verify(forged.headers, forged.body, kNow).code, "no_matching_secret");
  }
}

TEST_P(EveryProvider, RefusesAnotherSecret) {
  EXPECT_EQ(verify(genuine(), {GetParam().other_secret}).code, "no_matching_secret");
}

TEST_P(EveryProvider, TriesEverySecret) {
  EXPECT_TRUE(verify(genuine(), {GetParam().other_secret, GetParam().secret}).ok());
  EXPECT_TRUE(verify(genuine(), {GetParam().secret, GetParam().other_secret}).ok());
}

TEST_P(EveryProvider, RefusesABentBody) {
  for (const std::string& body :
       {kBody + "\n", kBody.substr(1), std::string(), kBody + std::string(1, '\0')}) {
    SignedRequest request = genuine();
    request.body = body;
    EXPECT_EQ(verify(request).code, "no_matching_secret");
  }
}

TEST_P(EveryProvider, RefusesABentSignature) {
  SignedRequest request = genuine();
  // Near the end but not at it: base64's last digits have bits that say nothing.
  char& digit = request.signature()[request.signature().size() - 8];
  digit = digit == 'a' ? 'b' : 'a';
  EXPECT_EQ(verify(request).code, "no_matching_secret");
}

TEST_P(EveryProvider, RefusesATruncatedSignature) {
  SignedRequest request = genuine();
  request.signature().resize(request.signature().size() - 4);
  EXPECT_EQ(verify(request).code, "malformed_signature");
}

TEST_P(EveryProvider, RefusesATooLongSignature) {
  SignedRequest request = genuine();
  request.signature() += "00000000";
  EXPECT_EQ(verify(request).code, "malformed_signature");
}

TEST_P(EveryProvider, NamesAMissingHeader) {
  for (const auto& name : {genuine().signature_header, genuine().timestamp_header}) {
    if (name.empty()) continue;
    SignedRequest request = genuine();
    request.drop(name);
    const SignatureVerdict verdict = verify(request);
    EXPECT_EQ(verdict.code, "missing_header");
    if (GetParam().sign != sign_svix || name != "svix-signature") {
      EXPECT_NE(verdict.message.find(name), std::string::npos) << verdict.message;
    }
  }
}

TEST_P(EveryProvider, RefusesAnEmptyHeader) {
  SignedRequest request = genuine();
  request.signature().clear();
  EXPECT_EQ(verify(request).code, "malformed_signature");
}

TEST_P(EveryProvider, RefusesADuplicatedHeader) {
  SignedRequest request = genuine();
  request.headers.push_back({request.signature_header, request.signature()});
  EXPECT_EQ(verify(request).code, "malformed_signature");
  request.headers.front().name = ascii_lower(request.headers.front().name);
  EXPECT_EQ(verify(request).code, "malformed_signature");
}

TEST_P(EveryProvider, RefusesGarbage) {
  for (const char* garbage : {"x", ",", "=", "v1", "v1,", "v1=", "t=,v1=", "sha256=", "v0=", "sig:", " ",
                              ",,,,", "v1,!!!!", "t=1700000000", "sha256=zz", "sha1=00", "\xff\xfe"}) {
    SignedRequest request = genuine();
    request.signature() = garbage;
    EXPECT_EQ(verify(request).code, "malformed_signature") << garbage;
  }
}

TEST_P(EveryProvider, FindsHeadersInAnyCase) {
  SignedRequest request = genuine();
  for (auto& header : request.headers) header.name = ascii_lower(header.name);
  EXPECT_TRUE(verify(request).ok());
}

TEST_P(EveryProvider, KeepsToTheToleranceInBothDirections) {
  for (const std::int64_t skew : {-300, -299, 0, 299, 300}) EXPECT_TRUE(verify(genuine(skew)).ok()) << skew;
  for (const std::int64_t skew : {-86'400, -301, 301, 86'400}) {
    const SignatureVerdict verdict = verify(genuine(skew));
    EXPECT_EQ(verdict.ok(), !GetParam().timed) << skew;
    if (!GetParam().timed) continue;
    EXPECT_EQ(verdict.code, "timestamp_out_of_tolerance");
    EXPECT_EQ(verdict.skew_seconds, skew);
  }
}

TEST_P(TimedProvider, AnUnreadableTimestampIsAFailureAndNeverSkipsTheCheck) {
  for (const char* text : {"", "0x5", "-1700000000", "+1700000000", "1700000000.0", " 1700000000", "1e9",
                           "NaN", "99999999999999999999", "18446744073709551615", "1700000000\n"}) {
    SignedRequest request = genuine();
    if (request.timestamp_header.empty()) {
      request.signature() =
          std::string("t=") + text + request.signature().substr(request.signature().find(','));
    } else {
      request.value_of(request.timestamp_header) = text;
    }
    const SignatureVerdict verdict = verify(request);
    // A list trims its items, so a blank in front is no fault there; the MAC is over the digits alone.
    if (request.timestamp_header.empty() && std::string_view(text) == " 1700000000") continue;
    EXPECT_EQ(verdict.code, "malformed_signature") << text;
  }
}

TEST_P(TimedProvider, RefusesADuplicatedTimestamp) {
  SignedRequest request = genuine();
  if (request.timestamp_header.empty())
    request.signature() = "t=1700000000," + request.signature();
  else
    request.headers.push_back({request.timestamp_header, request.value_of(request.timestamp_header)});
  EXPECT_EQ(verify(request).code, "malformed_signature");
}

/// Every single-bit change of body, signature and timestamp, in a seeded sample: none is let through but a
/// change of a hex digit's case, which is the same signature.
TEST_P(EveryProvider, NoBitMayChange) {
  const auto source = compiled({GetParam().secret});
  const bool hex = GetParam().provider != "standard-webhooks" && GetParam().provider != "shopify" &&
                   GetParam().provider != "generic-hmac";
  SeededRandom random(7);
  for (int i = 0; i < 4000; ++i) {
    SignedRequest request = genuine();
    std::string* part = &request.body;
    if (i % 3 == 1) part = &request.signature();
    if (i % 3 == 2 && !request.timestamp_header.empty()) part = &request.value_of(request.timestamp_header);
    const std::string before = *part;
    (*part)[random.u64() % part->size()] ^= static_cast<char>(1 << random.u64() % 8);
    const std::size_t digits = before.size() - std::min<std::size_t>(64, before.size());
    const bool same = hex && part == &request.signature() && ascii_iequals(before, *part) &&
                      before.substr(0, digits) == part->substr(0, digits);
    const SignatureVerdict verdict = source->verify(request.headers, request.body, kNow);
    EXPECT_EQ(verdict.ok(), same) << before << " -> " << *part;
  }
}

std::string name_of(const testing::TestParamInfo<Signer>& info) {
  std::string name = info.param.provider;
  std::erase(name, '-');
  return info.param.sign == sign_svix ? "svix" : name;
}
std::vector<Signer> timed_signers() {
  std::vector<Signer> timed = signers();
  std::erase_if(timed, [](const Signer& signer) { return !signer.timed; });
  return timed;
}

INSTANTIATE_TEST_SUITE_P(All, EveryProvider, testing::ValuesIn(signers()), name_of);
INSTANTIATE_TEST_SUITE_P(All, TimedProvider, testing::ValuesIn(timed_signers()), name_of);

}  // namespace
}  // namespace postern::relay
