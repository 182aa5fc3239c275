#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/crypto.hpp"
#include "relay/providers/json_scan.hpp"

/// How one kind of sender signs, as data. One engine (Verifier) runs every row of it; what the admin of a
/// generic-hmac source sets is read into the same shape.
namespace postern::relay {

enum class Encoding { hex, base64, base64url };

/// What the bytes of the MAC key are.
enum class KeyForm {
  text,   ///< the secret itself, as it was given ("whsec_" and all, for Stripe)
  whsec,  ///< base64 behind an optional "whsec_" (Standard Webhooks)
  base64,
  hex,
};

enum class SignatureFormat {
  plain,       ///< prefix, then one encoded MAC
  tag_list,    ///< blank-separated "tag,MAC" items; items of another tag are ignored
  field_list,  ///< comma-separated "name=value" items; the MACs' name may repeat, other names are ignored
};

enum class TimestampFormat { seconds, milliseconds, rfc3339 };

/// Names that belong together: a request is read by the first set whose signature header it carries, and its
/// timestamp and id are never taken from another set. Empty name: the scheme has no such header.
struct HeaderSet {
  std::string signature;
  std::string timestamp;
  std::string id;  ///< signed along with the body
};

/// One piece of the signed message; the pieces are joined as they are.
struct MessagePart {
  enum class Kind { literal, timestamp, id, body };
  Kind kind;
  std::string text = {};  ///< of a literal
};

/// Where a word about the event (its id, its type) is found. The first source of a list that has one wins.
struct FieldSource {
  enum class From { header, signed_id, json, form };
  From from;
  std::string name = {};     ///< of the header or the form field
  JsonPointer pointer = {};  ///< for json
};

struct Scheme {
  std::vector<HeaderSet> header_sets;
  SignatureFormat format = SignatureFormat::plain;
  std::string prefix;  ///< plain: in front of the MAC; tag_list: the tag; field_list: the MACs' field name
  Encoding encoding = Encoding::hex;
  Digest digest = Digest::sha256;
  KeyForm key = KeyForm::text;
  std::string timestamp_field;  ///< field_list only: the timestamp is this field of the signature header
  TimestampFormat timestamp_format = TimestampFormat::seconds;
  Duration tolerance = std::chrono::seconds(300);  ///< in both directions
  std::vector<MessagePart> message;
  std::vector<FieldSource> dedupe;  ///< none found: a digest of type and body
  std::vector<FieldSource> type;
};

}  // namespace postern::relay
