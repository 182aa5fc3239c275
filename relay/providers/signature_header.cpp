#include "relay/providers/signature_header.hpp"

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

using Parsed = std::expected<SignatureList, std::string>;

std::size_t size_of(Digest digest) {
  switch (digest) {
    case Digest::sha1:
      return 20;
    case Digest::sha256:
      return 32;
    case Digest::sha512:
      return 64;
  }
  return 32;
}

std::optional<std::string> decode(Encoding encoding, std::string_view text) {
  switch (encoding) {
    case Encoding::hex:
      return hex_decode(text);
    case Encoding::base64:
      return base64_decode(text);
    case Encoding::base64url:
      return base64url_decode(text);
  }
  return std::nullopt;
}

/// nullopt for anything that cannot be a MAC of this scheme.
std::optional<std::string> decode_mac(const Scheme& scheme, std::string_view text) {
  if (text.size() > 2 * size_of(scheme.digest)) return std::nullopt;
  auto mac = decode(scheme.encoding, text);
  if (!mac || mac->size() != size_of(scheme.digest)) return std::nullopt;
  return mac;
}

std::string_view trim(std::string_view text) {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

/// Cuts the first item off `rest`.
std::string_view next_item(std::string_view& rest, char separator) {
  const std::string_view item = rest.substr(0, rest.find(separator));
  rest.remove_prefix(std::min(rest.size(), item.size() + 1));
  return trim(item);
}

/// False when the list is full.
bool add(const Scheme& scheme, std::string_view text, SignatureList& list) {
  auto mac = decode_mac(scheme, text);
  if (!mac) return true;
  if (list.macs.size() == kSignaturesMax) return false;
  list.macs.push_back(std::move(*mac));
  return true;
}

std::unexpected<std::string> refuse(std::string message) {
  return std::unexpected(std::move(message));
}

std::unexpected<std::string> too_many() {
  return refuse(fmt::format("more than {} signatures in one header", kSignaturesMax));
}

Parsed plain(const Scheme& scheme, std::string_view value) {
  if (!value.starts_with(scheme.prefix))
    return refuse(fmt::format("it does not start with \"{}\"", scheme.prefix));
  SignatureList list;
  add(scheme, value.substr(scheme.prefix.size()), list);
  if (list.macs.empty()) return refuse("it is not a well-formed MAC of the right length");
  return list;
}

Parsed tag_list(const Scheme& scheme, std::string_view value) {
  SignatureList list;
  while (!value.empty()) {
    const std::string_view item = next_item(value, ' ');
    const auto comma = item.find(',');
    if (comma == std::string_view::npos || item.substr(0, comma) != scheme.prefix) continue;
    if (!add(scheme, item.substr(comma + 1), list)) return too_many();
  }
  if (list.macs.empty()) return refuse(fmt::format("it has no well-formed {} signature", scheme.prefix));
  return list;
}

Parsed field_list(const Scheme& scheme, std::string_view value) {
  SignatureList list;
  bool timed = false;
  while (!value.empty()) {
    const std::string_view item = next_item(value, ',');
    const auto equals = item.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view name = item.substr(0, equals);
    if (name == scheme.timestamp_field) {
      if (std::exchange(timed, true)) return refuse("it has two timestamps");
      list.timestamp = item.substr(equals + 1);
    } else if (name == scheme.prefix && !add(scheme, item.substr(equals + 1), list)) {
      return too_many();
    }
  }
  if (!timed) return refuse(fmt::format("it has no {}= timestamp", scheme.timestamp_field));
  if (list.macs.empty()) return refuse(fmt::format("it has no well-formed {} signature", scheme.prefix));
  return list;
}

}  // namespace

Parsed parse_signature(const Scheme& scheme, std::string_view value) {
  switch (scheme.format) {
    case SignatureFormat::plain:
      return plain(scheme, value);
    case SignatureFormat::tag_list:
      return tag_list(scheme, value);
    case SignatureFormat::field_list:
      return field_list(scheme, value);
  }
  return refuse("unknown format");
}

}  // namespace postern::relay
