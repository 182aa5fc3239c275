#pragma once
#include <string>
#include <vector>

#include "base/bytes.hpp"
#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "base/http/message.hpp"
#include "relay/providers/provider.hpp"
#include "relay/providers/verifier.hpp"

/// Requests signed as the providers' pages say, written out by hand here and not through the engine under
/// test.
namespace postern::relay {

inline const Time kNow = Time(std::chrono::seconds(1'700'000'000));

struct SignedRequest {
  http::Headers headers;
  std::string body;
  std::string signature_header;  ///< its name
  std::string timestamp_header;  ///< empty: none, or inside the signature header

  std::string& signature() { return value_of(signature_header); }
  std::string& value_of(std::string_view name) {
    for (auto& header : headers) {
      if (header.name == name) return header.value;
    }
    throw std::logic_error("no such header in the test request");
  }
  void drop(std::string_view name) {
    std::erase_if(headers, [&](const http::Header& header) { return header.name == name; });
  }
};

/// How a test signs for one provider; `skew` seconds are added to the time it signs at.
struct Signer {
  std::string provider;
  std::string secret;
  std::string other_secret;
  bool timed;
  SignedRequest (*sign)(std::string_view secret, std::string body, std::int64_t at);
};

inline std::string whsec_key(std::string_view secret) {
  return *base64_decode(secret.substr(6));
}

inline SignedRequest sign_standard(std::string_view secret, std::string body, std::int64_t at,
                                   const std::string& family = "webhook") {
  const std::string ts = std::to_string(at);
  const std::string mac = base64_encode(hmac_sha256(whsec_key(secret), "msg_1." + ts + "." + body));
  return {{{family + "-id", "msg_1"}, {family + "-timestamp", ts}, {family + "-signature", "v1," + mac}},
          std::move(body),
          family + "-signature",
          family + "-timestamp"};
}
inline SignedRequest sign_webhook(std::string_view secret, std::string body, std::int64_t at) {
  return sign_standard(secret, std::move(body), at);
}
inline SignedRequest sign_svix(std::string_view secret, std::string body, std::int64_t at) {
  return sign_standard(secret, std::move(body), at, "svix");
}
inline SignedRequest sign_stripe(std::string_view secret, std::string body, std::int64_t at) {
  const std::string ts = std::to_string(at);
  const std::string mac = hex_encode(hmac_sha256(secret, ts + "." + body));
  return {{{"Stripe-Signature", "t=" + ts + ",v1=" + mac}}, std::move(body), "Stripe-Signature", ""};
}
inline SignedRequest sign_github(std::string_view secret, std::string body, std::int64_t) {
  const std::string mac = hex_encode(hmac_sha256(secret, body));
  return {{{"X-GitHub-Event", "push"}, {"X-Hub-Signature-256", "sha256=" + mac}},
          std::move(body),
          "X-Hub-Signature-256",
          ""};
}
inline SignedRequest sign_shopify(std::string_view secret, std::string body, std::int64_t) {
  const std::string mac = base64_encode(hmac_sha256(secret, body));
  return {{{"X-Shopify-Hmac-Sha256", mac}}, std::move(body), "X-Shopify-Hmac-Sha256", ""};
}
inline SignedRequest sign_slack(std::string_view secret, std::string body, std::int64_t at) {
  const std::string ts = std::to_string(at);
  const std::string mac = hex_encode(hmac_sha256(secret, "v0:" + ts + ":" + body));
  return {{{"X-Slack-Request-Timestamp", ts}, {"X-Slack-Signature", "v0=" + mac}},
          std::move(body),
          "X-Slack-Signature",
          "X-Slack-Request-Timestamp"};
}
inline SignedRequest sign_chargify(std::string_view secret, std::string body, std::int64_t) {
  const std::string mac = hex_encode(hmac_sha256(secret, body));
  return {{{"X-Chargify-Webhook-Signature-Hmac-Sha-256", mac}},
          std::move(body),
          "X-Chargify-Webhook-Signature-Hmac-Sha-256",
          ""};
}
inline constexpr std::string_view kGenericScheme = R"({
  "header": "X-Acme-Signature", "prefix": "sig:", "encoding": "base64url", "digest": "sha512",
  "timestamp": {"header": "X-Acme-Time", "format": "milliseconds", "tolerance_seconds": 300},
  "message": "{timestamp}|{body}|end"})";
inline SignedRequest sign_generic(std::string_view secret, std::string body, std::int64_t at) {
  const std::string ts = std::to_string(at * 1000);
  const std::string mac = base64url_encode(hmac(Digest::sha512, secret, ts + "|" + body + "|end"));
  return {{{"X-Acme-Time", ts}, {"X-Acme-Signature", "sig:" + mac}},
          std::move(body),
          "X-Acme-Signature",
          "X-Acme-Time"};
}

inline const std::vector<Signer>& signers() {
  static const std::string kWhsec = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  static const std::string kOther = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
  static const std::vector<Signer> kAll = {
      {"standard-webhooks", kWhsec, kOther, true, sign_webhook},
      {"standard-webhooks", kWhsec, kOther, true, sign_svix},
      {"stripe", "whsec_used_verbatim", "whsec_another_one", true, sign_stripe},
      {"github", "It's a Secret to Everybody", "another secret", false, sign_github},
      {"shopify", "shpss_0123456789", "shpss_9876543210", false, sign_shopify},
      {"slack", "8f742231b10e8888abcd99yyyzzz85a5", "another_signing_secret", true, sign_slack},
      {"chargify", "site shared key", "another shared key", false, sign_chargify},
      {"generic-hmac", "a generic secret", "another generic secret", true, sign_generic},
  };
  return kAll;
}

inline std::int64_t now_seconds() {
  return to_unix_seconds(kNow);
}

}  // namespace postern::relay
