#include "relay/providers/identity.hpp"

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "relay/providers/form_field.hpp"
#include "relay/providers/verifier.hpp"

namespace postern::relay {
namespace {

using From = FieldSource::From;

bool is_word(std::string_view text, std::size_t bytes_max) {
  constexpr auto kControl = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !text.empty() && text.size() <= bytes_max && std::ranges::none_of(text, kControl) && is_utf8(text);
}

std::string digest_key(std::string_view bytes) {
  return "sha256:" + hex_encode(sha256(bytes));
}

/// The body goes in as its own digest, so that it is never copied.
std::string content_key(std::string_view type, std::string_view body) {
  std::string content(type);
  content += '\0';
  content += sha256(body);
  return digest_key(content);
}

/// The digest form is ours alone: an id that looks like one is digested itself.
std::string key_from(std::string id) {
  if (is_word(id, kDedupeKeyBytesMax) && !id.starts_with("sha256:")) return id;
  return digest_key(id);
}

/// "" unless the header is there exactly once: which of two ids would count is the sender's secret.
std::string only_header(const http::Headers& headers, std::string_view name) {
  const std::string* const value = http::find_header(headers, name);
  return value != nullptr && http::count_header(headers, name) == 1 ? *value : std::string();
}

std::string signed_id(const Scheme& scheme, const http::Headers& headers) {
  const HeaderSet* const names = choose_headers(scheme, headers);
  // An unsigned source may lack the signature header and still be told its ids.
  return only_header(headers, (names == nullptr ? scheme.header_sets.front() : *names).id);
}

}  // namespace

IdentityReader::IdentityReader(const Scheme& scheme) : scheme_(&scheme) {
  for (const auto* const sources : {&scheme.dedupe, &scheme.type}) {
    for (const FieldSource& source : *sources) {
      if (source.from != From::json) continue;
      json_sources_.push_back(&source);
      pointers_.push_back(&source.pointer);
    }
  }
}

std::string IdentityReader::find(const std::vector<FieldSource>& sources, const http::Headers& headers,
                                 std::string_view body, const JsonFound& found) const {
  for (const FieldSource& source : sources) {
    std::string word;
    switch (source.from) {
      case From::header:
        word = only_header(headers, source.name);
        break;
      case From::signed_id:
        word = signed_id(*scheme_, headers);
        break;
      case From::form:
        word = form_field(body, source.name).value_or("");
        break;
      case From::json: {
        const auto index = std::ranges::find(json_sources_, &source) - json_sources_.begin();
        word = found[static_cast<std::size_t>(index)].value_or("");
        break;
      }
    }
    if (!word.empty()) return word;
  }
  return {};
}

Identity IdentityReader::read(const http::Headers& headers, std::string_view body,
                              std::string_view topic) const {
  const JsonFound found = scan_json(body, pointers_);
  Identity identity;
  identity.type = find(scheme_->type, headers, body, found);
  if (!is_word(identity.type, kTypeBytesMax)) identity.type = is_word(topic, kTypeBytesMax) ? topic : "";
  std::string id = find(scheme_->dedupe, headers, body, found);
  identity.dedupe_key = id.empty() ? content_key(identity.type, body) : key_from(std::move(id));
  return identity;
}

}  // namespace postern::relay
