#include "relay/providers/generic_scheme.hpp"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <array>

#include "relay/providers/message_template.hpp"
#include "relay/providers/scheme_reader.hpp"

namespace postern::relay {
namespace {

namespace json = boost::json;
using From = FieldSource::From;

constexpr std::size_t kSchemeBytesMax = 8 * 1024;
constexpr std::int64_t kToleranceSecondsMax = 86'400;

constexpr std::array<Choice<Encoding>, 3> kEncodings = {
    {{"hex", Encoding::hex}, {"base64", Encoding::base64}, {"base64url", Encoding::base64url}}};
constexpr std::array<Choice<Digest>, 3> kDigests = {
    {{"sha1", Digest::sha1}, {"sha256", Digest::sha256}, {"sha512", Digest::sha512}}};
constexpr std::array<Choice<KeyForm>, 3> kKeys = {
    {{"text", KeyForm::text}, {"base64", KeyForm::base64}, {"hex", KeyForm::hex}}};
constexpr std::array<Choice<TimestampFormat>, 3> kFormats = {{{"seconds", TimestampFormat::seconds},
                                                              {"milliseconds", TimestampFormat::milliseconds},
                                                              {"rfc3339", TimestampFormat::rfc3339}}};
constexpr std::array<std::string_view, 9> kFields = {"header",    "prefix",  "encoding", "digest", "key",
                                                     "timestamp", "message", "dedupe",   "type"};
constexpr std::array<std::string_view, 3> kTimestampFields = {"header", "format", "tolerance_seconds"};
constexpr std::array<std::string_view, 2> kSourceFields = {"header", "pointer"};

void read_signature(SchemeReader& in, Scheme& scheme) {
  in.only(kFields);
  scheme.header_sets = {{in.header_name("header"), "", ""}};
  scheme.prefix = in.text("prefix", 64);
  scheme.encoding = in.choice<Encoding>("encoding", kEncodings, Encoding::hex);
  scheme.digest = in.choice<Digest>("digest", kDigests, Digest::sha256);
  scheme.key = in.choice<KeyForm>("key", kKeys, KeyForm::text);
}

void read_timestamp(SchemeReader& in, Scheme& scheme) {
  if (!in.has("timestamp")) return;
  SchemeReader timestamp = in.object("timestamp");
  timestamp.only(kTimestampFields);
  scheme.header_sets.front().timestamp = timestamp.header_name("header");
  scheme.timestamp_format = timestamp.choice<TimestampFormat>("format", kFormats, TimestampFormat::seconds);
  scheme.tolerance =
      std::chrono::seconds(timestamp.integer("tolerance_seconds", 1, kToleranceSecondsMax, 300));
}

FieldSource read_source(SchemeReader in) {
  in.only(kSourceFields);
  if (in.has("header") == in.has("pointer")) {
    in.refuse("", "must have exactly one of \"header\" and \"pointer\"");
    return {.from = From::header};
  }
  if (in.has("header")) return {.from = From::header, .name = in.header_name("header")};
  const std::string text = in.text("pointer", 256);
  auto pointer = JsonPointer::parse(text);
  if (!pointer) in.refuse("pointer", "is not usable: " + pointer.error().message);
  return {.from = From::json, .name = text, .pointer = pointer.value_or(JsonPointer{})};
}

void read_sources(SchemeReader& in, Scheme& scheme) {
  if (in.has("dedupe") && !in.is_text("dedupe", "body")) scheme.dedupe = {read_source(in.object("dedupe"))};
  if (in.has("type")) scheme.type = {read_source(in.object("type"))};
}

/// A signed {id} is the dedupe header; it then belongs to what must be there.
void bind_id(SchemeReader& in, Scheme& scheme) {
  if (scheme.dedupe.empty() || scheme.dedupe.front().from != From::header) {
    in.refuse("message", "uses {id}, which needs \"dedupe\": {\"header\": …}");
    return;
  }
  scheme.header_sets.front().id = scheme.dedupe.front().name;
  scheme.dedupe = {{.from = From::signed_id}};
}

void read_message(SchemeReader& in, Scheme& scheme) {
  using Kind = MessagePart::Kind;
  const bool timed = !scheme.header_sets.front().timestamp.empty();
  std::string text = in.text("message", 256);
  if (text.empty()) text = timed ? "{timestamp}.{body}" : "{body}";
  auto parts = parse_message_template(text);
  if (!parts) return in.refuse("message", parts.error().message);
  const auto has = [&](Kind kind) { return std::ranges::count(*parts, kind, &MessagePart::kind) > 0; };
  if (!has(Kind::body)) return in.refuse("message", "must contain {body}");
  if (timed && !has(Kind::timestamp))
    return in.refuse("message", "must contain {timestamp}, or it is not signed");
  if (!timed && has(Kind::timestamp))
    return in.refuse("message", "uses {timestamp}, which needs \"timestamp\"");
  if (has(Kind::id)) bind_id(in, scheme);
  scheme.message = std::move(*parts);
}

}  // namespace

Result<Scheme> parse_generic_scheme(std::string_view text) {
  if (text.size() > kSchemeBytesMax) return fail("scheme_invalid", "scheme is longer than 8 KiB");
  json::error_code error;
  const json::value root = json::parse(text, error);
  if (error || !root.is_object()) return fail("scheme_invalid", "scheme must be a JSON object");
  std::optional<Error> first;
  SchemeReader in(root.get_object(), "scheme", first);
  Scheme scheme;
  read_signature(in, scheme);
  read_timestamp(in, scheme);
  read_sources(in, scheme);
  if (!first) read_message(in, scheme);
  if (first) return std::unexpected(std::move(*first));
  return scheme;
}

}  // namespace postern::relay
