#include "relay/providers/verifier.hpp"

#include <fmt/format.h>

#include "base/bytes.hpp"
#include "relay/providers/signature_header.hpp"
#include "relay/providers/timestamp.hpp"

namespace postern::relay {
namespace {

SignatureVerdict missing(std::string_view header) {
  return {.code = "missing_header", .message = fmt::format("the request has no {} header", header)};
}
SignatureVerdict malformed(std::string_view header, std::string_view why) {
  return {.code = "malformed_signature", .message = fmt::format("{}: {}", header, why)};
}
SignatureVerdict out_of_tolerance(std::int64_t skew, Duration tolerance) {
  const auto allowed = std::chrono::floor<std::chrono::seconds>(tolerance).count();
  return {.code = "timestamp_out_of_tolerance",
          .message = fmt::format("the signature is {} s {}; {} s are allowed", skew < 0 ? -skew : skew,
                                 skew < 0 ? "in the future" : "old", allowed),
          .skew_seconds = skew};
}

/// What the scheme's message is made of, borrowed from the request.
struct Signed {
  std::string_view signature;
  std::string_view timestamp;
  std::string_view id;
};

/// Reads one header that must be there exactly once and not be empty; a scheme without it has an empty name.
std::optional<SignatureVerdict> read_one(const http::Headers& headers, std::string_view name,
                                         std::string_view& value) {
  if (name.empty()) return std::nullopt;
  const std::string* const found = http::find_header(headers, name);
  if (found == nullptr) return missing(name);
  if (http::count_header(headers, name) > 1) return malformed(name, "the header is there more than once");
  if (found->empty()) return malformed(name, "the header is empty");
  value = *found;
  return std::nullopt;
}

std::optional<SignatureVerdict> read_headers(const HeaderSet& names, const http::Headers& headers,
                                             Signed& out) {
  if (auto bad = read_one(headers, names.signature, out.signature)) return bad;
  if (auto bad = read_one(headers, names.timestamp, out.timestamp)) return bad;
  return read_one(headers, names.id, out.id);
}

std::optional<SignatureVerdict> check_time(const Scheme& scheme, const HeaderSet& names,
                                           std::string_view text, Time now) {
  if (names.timestamp.empty() && scheme.timestamp_field.empty()) return std::nullopt;
  const auto signed_at = parse_timestamp(scheme.timestamp_format, text);
  const std::string& where = names.timestamp.empty() ? names.signature : names.timestamp;
  if (!signed_at) return malformed(where, "the timestamp is not of the scheme's format");
  const auto skew = excess_skew(scheme, *signed_at, now);
  if (skew) return out_of_tolerance(*skew, scheme.tolerance);
  return std::nullopt;
}

std::string mac_of(Mac& mac, const Scheme& scheme, const Signed& parts, std::string_view body) {
  for (const MessagePart& part : scheme.message) {
    switch (part.kind) {
      case MessagePart::Kind::literal:
        mac.update(part.text);
        break;
      case MessagePart::Kind::timestamp:
        mac.update(parts.timestamp);
        break;
      case MessagePart::Kind::id:
        mac.update(parts.id);
        break;
      case MessagePart::Kind::body:
        mac.update(body);
        break;
    }
  }
  return mac.finish();
}

}  // namespace

Result<std::string> decode_secret(KeyForm form, std::string_view secret) {
  std::optional<std::string> key;
  switch (form) {
    case KeyForm::text:
      return std::string(secret);
    case KeyForm::whsec:
      if (secret.starts_with("whsec_")) secret.remove_prefix(6);
      key = base64_decode(secret);
      if (!key) return fail("secret_malformed", "must be \"whsec_\" and then padded base64");
      return *key;
    case KeyForm::base64:
      key = base64_decode(secret);
      if (!key) return fail("secret_malformed", "must be padded base64");
      return *key;
    case KeyForm::hex:
      key = hex_decode(secret);
      if (!key) return fail("secret_malformed", "must be hexadecimal, two digits a byte");
      return *key;
  }
  return fail("secret_malformed", "has an unknown form");
}

const HeaderSet* choose_headers(const Scheme& scheme, const http::Headers& headers) {
  for (const HeaderSet& set : scheme.header_sets) {
    if (http::find_header(headers, set.signature) != nullptr) return &set;
  }
  return nullptr;
}

Result<Verifier> Verifier::make(std::shared_ptr<const Scheme> scheme, std::span<const std::string> secrets) {
  std::vector<Mac> macs;
  for (const std::string& secret : secrets) {
    auto key = decode_secret(scheme->key, secret);
    if (!key) return std::unexpected(std::move(key.error()));
    macs.emplace_back(scheme->digest, *key);
    cleanse(*key);
  }
  return Verifier(std::move(scheme), std::move(macs));
}

SignatureVerdict Verifier::verify(const http::Headers& headers, std::string_view body, Time received_at) {
  const HeaderSet* const names = choose_headers(*scheme_, headers);
  if (names == nullptr) return missing(scheme_->header_sets.front().signature);
  Signed parts;
  if (auto bad = read_headers(*names, headers, parts)) return std::move(*bad);
  const auto list = parse_signature(*scheme_, parts.signature);
  if (!list) return malformed(names->signature, list.error());
  if (!scheme_->timestamp_field.empty()) parts.timestamp = list->timestamp;
  if (auto bad = check_time(*scheme_, *names, parts.timestamp, received_at)) return std::move(*bad);
  bool genuine = false;
  for (Mac& mac : macs_) {
    const std::string expected = mac_of(mac, *scheme_, parts, body);
    for (const std::string& given : list->macs) genuine |= constant_time_equal(expected, given);
  }
  if (genuine) return {};
  return {.code = "no_matching_secret", .message = "no live secret of this source made the signature"};
}

}  // namespace postern::relay
