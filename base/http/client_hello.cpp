#include "base/http/client_hello.hpp"

#include <optional>
#include <string>

namespace postern::http {
namespace {

constexpr char kHandshakeRecord = 22;  // RFC 8446, 5.1
constexpr char kClientHello = 1;       // 4
constexpr std::size_t kRecordHeader = 5;
constexpr std::size_t kMessageHeader = 4;
constexpr std::size_t kMostRecord = 16 * 1024;
constexpr std::uint64_t kAlpnExtension = 16;

/// Takes pieces off a message; after one that is not there, `ok` is false and everything is empty.
struct Reader {
  std::string_view rest;
  bool ok = true;

  std::string_view take(std::size_t size) {
    ok = ok && size <= rest.size();
    if (!ok) return rest = {};
    const auto piece = rest.substr(0, size);
    rest.remove_prefix(size);
    return piece;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (const char c : take(size)) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  /// A vector whose length stands before it, in so many bytes.
  std::string_view vector(std::size_t length_size) {
    return take(static_cast<std::size_t>(number(length_size)));
  }
};

struct Message {
  std::string bytes;      ///< what there is of the handshake messages
  bool is_other = false;  ///< something that no hello begins with
};

/// What the records carry, without their headers.
Message join_records(std::string_view bytes) {
  Message message;
  while (!bytes.empty()) {
    if (bytes.front() != kHandshakeRecord) return {std::move(message.bytes), true};
    if (bytes.size() > 1 && bytes[1] != 3) return {std::move(message.bytes), true};
    if (bytes.size() < kRecordHeader) break;
    Reader header{bytes.substr(3)};
    const auto length = static_cast<std::size_t>(header.number(2));
    if (length == 0 || length > kMostRecord) return {std::move(message.bytes), true};
    const auto piece = bytes.substr(kRecordHeader, length);
    message.bytes += piece;
    bytes.remove_prefix(kRecordHeader + piece.size());
    if (piece.size() < length) break;
  }
  return message;
}

bool names(std::string_view alpn, std::string_view protocol) {
  Reader extension{alpn};
  Reader list{extension.vector(2)};
  bool found = false;
  while (list.ok && !list.rest.empty()) found = list.vector(1) == protocol || found;
  return found && list.ok && extension.ok;
}

bool hello_offers(std::string_view body, std::string_view protocol) {
  Reader hello{body};
  hello.take(2 + 32);  // version and random
  hello.vector(1);     // session id
  hello.vector(2);     // cipher suites
  hello.vector(1);     // compression
  Reader extensions{hello.vector(2)};
  while (hello.ok && extensions.ok && !extensions.rest.empty()) {
    const auto type = extensions.number(2);
    const auto data = extensions.vector(2);
    if (extensions.ok && type == kAlpnExtension) return names(data, protocol);
  }
  return false;
}

}  // namespace

Offer offers_protocol(std::string_view bytes, std::string_view protocol) {
  const Message message = join_records(bytes.substr(0, kMostHello));
  const Offer undecided = message.is_other || bytes.size() >= kMostHello ? Offer::no : Offer::more;
  if (!message.bytes.empty() && message.bytes.front() != kClientHello) return Offer::no;
  if (message.bytes.size() < kMessageHeader) return undecided;
  Reader header{std::string_view(message.bytes).substr(1)};
  const auto length = static_cast<std::size_t>(header.number(3));
  if (length > kMostHello) return Offer::no;
  if (header.rest.size() < length) return undecided;
  return hello_offers(header.take(length), protocol) ? Offer::yes : Offer::no;
}

}  // namespace postern::http
