#include "tunnel-proto/join_token.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "base/bytes.hpp"
#include "base/crypto.hpp"
#include "tunnel-proto/big_endian.hpp"
#include "tunnel-proto/wire.hpp"

// host_size u8 | host | port u16 | join_id 16 | join_secret 32 | expires u64 (unix seconds) | pin_count u8 |
// pins 32 each | crc32 u32
namespace postern::tunnel {
namespace {

constexpr std::size_t kPin = 32;
constexpr std::size_t kMaxHost = 253;
constexpr std::size_t kCrc = 4;
constexpr std::uint64_t kLatest = 253'402'300'799;  // 9999-12-31T23:59:59Z

bool host_fits(std::string_view host) {
  return !host.empty() && host.size() <= kMaxHost && std::ranges::all_of(host, [](char c) {
    return c > ' ' && c < 0x7f && c != '/' && c != '@' && c != '[' && c != ']';
  });
}

bool token_fits(const JoinToken& token) {
  const std::int64_t seconds = to_unix_seconds(token.expires_at);
  return host_fits(token.host) && token.port != 0 && token.join_secret.size() == kSecretSize &&
         seconds >= 0 && static_cast<std::uint64_t>(seconds) <= kLatest && !token.pins.empty() &&
         token.pins.size() <= kMaxPins &&
         std::ranges::all_of(token.pins, [](const std::string& pin) { return pin.size() == kPin; });
}

/// Takes from the front; nullopt for ever after it has run short once.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  std::string_view take(std::size_t size) {
    if (short_ || size > bytes_.size()) {
      short_ = true;
      return std::string_view("\0\0\0\0\0\0\0\0", 8);
    }
    const std::string_view part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }
  std::size_t byte() { return static_cast<std::uint8_t>(take(1)[0]); }
  bool ended_exactly() const { return !short_ && bytes_.empty(); }

 private:
  std::string_view bytes_;
  bool short_ = false;
};

/// nullopt when the record is not of the right length for what it says.
std::optional<JoinToken> read_record(std::string_view record, std::uint64_t& expires) {
  Cursor cursor(record);
  JoinToken token;
  token.host = cursor.take(cursor.byte());
  token.port = read_u16(cursor.take(2));
  const auto id = JoinId::from_bytes(cursor.take(16));
  token.join_secret = cursor.take(kSecretSize);
  expires = read_u64(cursor.take(8));
  const std::size_t pins = cursor.byte();
  for (std::size_t i = 0; i < pins; ++i) token.pins.emplace_back(cursor.take(kPin));
  if (!cursor.ended_exactly() || !id) return std::nullopt;
  token.join_id = *id;
  return token;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::unexpected<Error> cut() {
  return fail("join_token_truncated",
              "the join token is cut or mistyped; copy it again, whole, or make a new one");
}

}  // namespace

std::string encode_join_token(const JoinToken& token) {
  if (!token_fits(token)) throw std::invalid_argument("join token: a field is out of bounds");
  std::string record;
  record.push_back(static_cast<char>(token.host.size()));
  record += token.host;
  append_u16(record, token.port);
  record += token.join_id.bytes();
  record += token.join_secret;
  append_u64(record, static_cast<std::uint64_t>(to_unix_seconds(token.expires_at)));
  record.push_back(static_cast<char>(token.pins.size()));
  for (const std::string& pin : token.pins) record += pin;
  append_u32(record, crc32(record));
  std::string text = std::string(kJoinTokenPrefix) + base64url_encode(record);
  cleanse(record);
  return text;
}

Result<JoinToken> parse_join_token(std::string_view raw) {
  const std::string_view text = trimmed(raw);
  if (!text.starts_with(kJoinTokenPrefix)) {
    if (text.size() > 4 && text.starts_with("pj") && text[3] == '_') {
      return fail("join_token_version", "the join token is of another version; this agent reads pj1_ tokens");
    }
    return fail("not_a_join_token", "this is not a join token; those begin with pj1_");
  }
  auto record = base64url_decode(text.substr(kJoinTokenPrefix.size()));
  if (!record || record->size() < kCrc) return cut();
  const std::string_view body(record->data(), record->size() - kCrc);
  if (crc32(body) != read_u32(std::string_view(*record).substr(body.size()))) return cut();
  std::uint64_t expires = 0;
  auto token = read_record(body, expires);
  cleanse(*record);
  if (!token) return cut();
  if (expires > kLatest) return fail("join_token_invalid", "the join token's expiry is out of range");
  token->expires_at = Time(std::chrono::seconds(expires));
  if (!token_fits(*token)) return fail("join_token_invalid", "the join token names no usable relay");
  return std::move(*token);
}

}  // namespace postern::tunnel
