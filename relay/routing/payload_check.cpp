#include "base/bytes.hpp"
#include "base/http/message.hpp"
#include "relay/routing/payload.hpp"
#include "relay/routing/ruling.hpp"

namespace postern::relay {
namespace {

// Framing and the next hop are the client's; the signature and the names are the relay's; cookies are
// nobody's.
constexpr std::string_view kForbidden[] = {"host",
                                           "content-length",
                                           "transfer-encoding",
                                           "connection",
                                           "keep-alive",
                                           "te",
                                           "trailer",
                                           "upgrade",
                                           "expect",
                                           "http2-settings",
                                           "cookie",
                                           "cookie2",
                                           "webhook-id",
                                           "webhook-timestamp",
                                           "webhook-signature",
                                           "traceparent",
                                           "tracestate",
                                           "content-encoding"};

bool is_token(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  const auto fits = [&](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           kMarks.find(c) != kMarks.npos;
  };
  return !name.empty() && std::ranges::all_of(name, fits);
}

/// Visible ASCII, blanks and tabs, and bytes that HTTP calls obs-text.
bool is_value(std::string_view value) {
  const auto fits = [](char c) { return c == '\t' || (static_cast<unsigned char>(c) >= ' ' && c != '\x7f'); };
  const bool padded =
      value.starts_with(' ') || value.ends_with(' ') || value.starts_with('\t') || value.ends_with('\t');
  return !padded && std::ranges::all_of(value, fits);
}

bool is_forbidden(std::string_view name) {
  const std::string lower = ascii_lower(name);
  return lower.starts_with("proxy-") || lower.starts_with("postern-") ||
         std::ranges::find(kForbidden, lower) != std::end(kForbidden);
}

Result<void> check_header(const http::Header& header) {
  if (!is_token(header.name)) return fail("shape", "a header's name has bytes that cannot stand in one");
  if (is_forbidden(header.name))
    return fail("shape", fmt::format("the header {} cannot be set", header.name));
  if (!is_value(header.value)) {
    return fail("shape", fmt::format("the header {} has a value that cannot be sent", header.name));
  }
  return {};
}

}  // namespace

Result<void> check_payload(const Payload& payload) {
  if (payload.body.size() > kPayloadBytesMax) return fail("too_large", "the transform gave more than 1 MiB");
  if (payload.headers.size() > kPayloadHeadersMax) {
    return fail("shape", fmt::format("at most {} headers can be set", kPayloadHeadersMax));
  }
  std::size_t bytes = 0;
  for (const http::Header& header : payload.headers) {
    bytes += header.name.size() + header.value.size();
    if (auto sound = check_header(header); !sound) return sound;
  }
  if (bytes > kPayloadHeaderBytesMax) return fail("shape", "the headers are longer than 8 KiB");
  if (http::count_header(payload.headers, "Content-Type") != 1) {
    return fail("shape", "the content type is set with $content_type, once");
  }
  return {};
}

}  // namespace postern::relay
