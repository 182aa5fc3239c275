#include <chrono>

#include "relay/providers/provider.hpp"

namespace postern::relay {
namespace {

using std::chrono::seconds;
using Part = MessagePart::Kind;
using From = FieldSource::From;

FieldSource header(std::string name) {
  return {.from = From::header, .name = std::move(name)};
}
FieldSource form(std::string name) {
  return {.from = From::form, .name = std::move(name)};
}
FieldSource json(std::string_view pointer) {
  return {.from = From::json, .name = std::string(pointer), .pointer = JsonPointer::parse(pointer).value()};
}

/// standardwebhooks.com, specification 1.0.0. Svix sends the same under its older header names.
Provider standard_webhooks() {
  Scheme scheme;
  scheme.header_sets = {{"webhook-signature", "webhook-timestamp", "webhook-id"},
                        {"svix-signature", "svix-timestamp", "svix-id"}};
  scheme.format = SignatureFormat::tag_list;
  scheme.prefix = "v1";
  scheme.encoding = Encoding::base64;
  scheme.key = KeyForm::whsec;
  scheme.message = {{Part::id}, {Part::literal, "."}, {Part::timestamp}, {Part::literal, "."}, {Part::body}};
  scheme.dedupe = {{.from = From::signed_id}};
  scheme.type = {json("/type")};
  return {.name = "standard-webhooks",
          .title = "Standard Webhooks",
          .scheme = scheme,
          .secret_bytes_min = 16,
          .sender_timeout = seconds(15),
          .retries = "0, 5 s, 30 s, 5 m, 30 m, 2 h, 5 h, 10 h and on; 410 ends it"};
}

/// docs.stripe.com/webhooks: v0 is a scheme of test events and proves nothing; each retry is signed anew.
Provider stripe() {
  Scheme scheme;
  scheme.header_sets = {{"Stripe-Signature", "", ""}};
  scheme.format = SignatureFormat::field_list;
  scheme.prefix = "v1";
  scheme.timestamp_field = "t";
  scheme.message = {{Part::timestamp}, {Part::literal, "."}, {Part::body}};
  scheme.dedupe = {json("/id")};
  scheme.type = {json("/type")};
  return {.name = "stripe",
          .title = "Stripe",
          .scheme = scheme,
          .retries = "live: up to 3 days, growing intervals; test: 3 within hours"};
}

/// docs.github.com, "Validating webhook deliveries". The delivery id stays the same when a person redelivers.
Provider github() {
  Scheme scheme;
  scheme.header_sets = {{"X-Hub-Signature-256", "", ""}};
  scheme.prefix = "sha256=";
  scheme.message = {{Part::body}};
  scheme.dedupe = {header("X-GitHub-Delivery")};
  scheme.type = {header("X-GitHub-Event")};
  return {.name = "github",
          .title = "GitHub",
          .scheme = scheme,
          .sender_timeout = seconds(10),
          .retries = "none: a failed delivery is only sent again by hand or through its API"};
}

/// shopify.dev, "Deliver webhooks through HTTPS".
Provider shopify() {
  Scheme scheme;
  scheme.header_sets = {{"X-Shopify-Hmac-Sha256", "", ""}};
  scheme.encoding = Encoding::base64;
  scheme.message = {{Part::body}};
  scheme.dedupe = {header("X-Shopify-Webhook-Id")};
  scheme.type = {header("X-Shopify-Topic")};
  return {.name = "shopify",
          .title = "Shopify",
          .scheme = scheme,
          .sender_timeout = seconds(5),
          .retries = "8 over 4 h; then the subscription is deleted"};
}

/// api.slack.com, "Verifying requests from Slack" and "Events API". The inner type of an event_callback says
/// more than the outer one.
Provider slack() {
  Scheme scheme;
  scheme.header_sets = {{"X-Slack-Signature", "X-Slack-Request-Timestamp", ""}};
  scheme.prefix = "v0=";
  scheme.message = {{Part::literal, "v0:"}, {Part::timestamp}, {Part::literal, ":"}, {Part::body}};
  scheme.dedupe = {json("/event_id")};
  scheme.type = {json("/event/type"), json("/type")};
  return {.name = "slack",
          .title = "Slack",
          .scheme = scheme,
          .handshake = Handshake::slack_url_verification,
          .sender_timeout = seconds(3),
          .retries = "3: at once, after 1 m, after 5 m"};
}

/// Maxio Advanced Billing (Chargify), "Webhooks". Its second header, an MD5 of secret and body, can be forged
/// and is never looked at. Only 200 counts as received.
Provider chargify() {
  Scheme scheme;
  scheme.header_sets = {{"X-Chargify-Webhook-Signature-Hmac-Sha-256", "", ""}};
  scheme.message = {{Part::body}};
  scheme.dedupe = {header("X-Chargify-Webhook-Id"), form("id")};
  scheme.type = {form("event")};
  return {.name = "chargify",
          .title = "Chargify (Maxio)",
          .scheme = scheme,
          .ack_status = 200,
          .duplicate_status = 200,
          .sender_timeout = seconds(15),
          .retries = "5: after 0, 10, 15, 90 and 180 s"};
}

Provider generic_hmac() {
  return {.name = "generic-hmac",
          .title = "Any sender that signs with an HMAC",
          .scheme = std::nullopt,
          .retries = "whatever the sender does"};
}

const std::vector<Provider>& rows() {
  static const std::vector<Provider> kRows = {
      standard_webhooks(), stripe(), github(), shopify(), slack(), chargify(), generic_hmac()};
  return kRows;
}

}  // namespace

std::span<const Provider> providers() {
  return rows();
}

const Provider* find_provider(std::string_view name) {
  const auto found = std::ranges::find(rows(), name, &Provider::name);
  return found == rows().end() ? nullptr : &*found;
}

std::string provider_names() {
  std::string names;
  for (const Provider& row : rows()) names += (names.empty() ? "" : ", ") + row.name;
  return names;
}

}  // namespace postern::relay
