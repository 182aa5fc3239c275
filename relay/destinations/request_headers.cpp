#include "relay/destinations/request_headers.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.hpp"
#include "relay/destinations/signing_secret.hpp"

namespace postern::relay {
namespace {

constexpr std::array<std::string_view, 12> kNeverSentOn = {
    "connection", "keep-alive", "te",     "trailer", "transfer-encoding", "upgrade",
    "expect",     "host",       "cookie", "cookie2", "content-length",    "http2-settings"};
constexpr std::array<std::string_view, 6> kOfTheOriginalBody = {
    "content-type", "content-encoding", "content-md5", "digest", "content-digest", "repr-digest"};
constexpr std::array<std::string_view, 3> kSignatureHeaders = {"webhook-id", "webhook-timestamp",
                                                               "webhook-signature"};

template <class List>
bool contains(const List& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

std::string_view trim(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

std::vector<std::string> named_by_connection(const http::Headers& headers) {
  std::vector<std::string> names;
  for (const http::Header& header : headers) {
    if (!ascii_iequals(header.name, "connection")) continue;
    std::string_view rest = header.value;
    while (!rest.empty()) {
      const auto item = rest.substr(0, rest.find(','));
      rest.remove_prefix(std::min(rest.size(), item.size() + 1));
      names.push_back(ascii_lower(trim(item)));
    }
  }
  return names;
}

/// The shape of the relay's API keys: pk_<id of 26>_<random>. Other people's keys begin with pk_ too.
bool is_our_key(std::string_view token) {
  constexpr std::string_view kPrefix = "pk_";
  constexpr std::size_t kIdLength = 26;
  if (!token.starts_with(kPrefix)) return false;
  token.remove_prefix(kPrefix.size());
  return token.size() > kIdLength && token[kIdLength] == '_' && uuid_from_text(token.substr(0, kIdLength));
}

bool carries_our_key(std::string_view authorization) {
  const auto blank = authorization.find(' ');
  return blank != std::string_view::npos && is_our_key(trim(authorization.substr(blank)));
}

/// Decides header by header for one request.
class Filter {
 public:
  Filter(const http::Headers& original, bool signing, const Payload* payload)
      : by_connection_(named_by_connection(original)),
        signing_(signing),
        payload_(payload),
        keeps_trace_(trace_is_sound(original)) {}

  bool keeps(const http::Header& header) const {
    const std::string name = ascii_lower(header.name);
    if (contains(kNeverSentOn, name) || contains(by_connection_, name)) return false;
    if (name.starts_with("proxy-") || name.starts_with("postern-")) return false;
    if (signing_ && contains(kSignatureHeaders, name)) return false;
    if (payload_ != nullptr &&
        (contains(kOfTheOriginalBody, name) || http::find_header(payload_->headers, name))) {
      return false;
    }
    if (name == "traceparent" || name == "tracestate") return keeps_trace_;
    return name != "authorization" || !carries_our_key(header.value);
  }
  bool keeps_trace() const { return keeps_trace_; }

 private:
  bool trace_is_sound(const http::Headers& original) const {
    const std::string* value = http::find_header(original, "traceparent");
    return value && http::count_header(original, "traceparent") == 1 && is_valid_traceparent(*value) &&
           !contains(by_connection_, "traceparent");
  }

  std::vector<std::string> by_connection_;
  bool signing_;
  const Payload* payload_;
  bool keeps_trace_;
};

std::string new_traceparent(const OutboundRequest& request) {
  return "00-" + hex_encode(request.event.id.bytes()) + "-" +
         hex_encode(request.delivery_id.bytes().substr(8)) + "-01";
}

Result<void> sign(const OutboundRequest& request, http::Headers& out) {
  auto key = decode_signing_secret(request.signing_secret);
  if (!key) return std::unexpected(key.error());
  std::string id = request.event.id.to_string();
  std::string timestamp = std::to_string(to_unix_seconds(request.now));
  std::string signature =
      webhook_signature(*key, id, timestamp, request.payload ? request.payload->body : request.event.body);
  cleanse(*key);
  out.push_back({"webhook-id", std::move(id)});
  out.push_back({"webhook-timestamp", std::move(timestamp)});
  out.push_back({"webhook-signature", std::move(signature)});
  return {};
}

bool is_lower_hex(std::string_view text) {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_nonzero_hex(std::string_view text) {
  return is_lower_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

}  // namespace

Result<http::Headers> build_request_headers(const OutboundRequest& request) {
  const http::Headers& original = request.event.headers;
  const bool signing = !request.signing_secret.empty();
  const Filter filter(original, signing, request.payload);
  http::Headers out;
  out.reserve(original.size() + 7);
  std::copy_if(original.begin(), original.end(), std::back_inserter(out),
               [&](const http::Header& header) { return filter.keeps(header); });
  if (request.payload)
    out.insert(out.end(), request.payload->headers.begin(), request.payload->headers.end());
  if (signing) {
    if (auto signed_ok = sign(request, out); !signed_ok) return std::unexpected(signed_ok.error());
  }
  out.push_back({"Postern-Event-Id", request.event.id.to_string()});
  out.push_back({"Postern-Delivery-Id", request.delivery_id.to_string()});
  out.push_back({"Postern-Attempt", std::to_string(request.attempt)});
  if (!filter.keeps_trace()) out.push_back({"traceparent", new_traceparent(request)});
  return out;
}

std::string outbound_target(std::string_view url_target, std::string_view original_query) {
  std::string out(url_target);
  if (original_query.empty()) return out;
  const auto mark = out.find('?');
  if (mark == std::string::npos)
    out += '?';
  else if (mark + 1 != out.size())
    out += '&';
  for (const char c : original_query) {
    if (c > ' ' && c < '\x7f')
      out += c;
    else
      out += http::percent_encode(std::string_view(&c, 1));
  }
  return out;
}

bool is_valid_traceparent(std::string_view value) {
  if (value.size() < 55 || value[2] != '-' || value[35] != '-' || value[52] != '-') return false;
  const std::string_view version = value.substr(0, 2);
  if (!is_lower_hex(version) || version == "ff") return false;
  if (version == "00" ? value.size() != 55 : value.size() > 55 && value[55] != '-') return false;
  return is_nonzero_hex(value.substr(3, 32)) && is_nonzero_hex(value.substr(36, 16)) &&
         is_lower_hex(value.substr(53, 2));
}

}  // namespace postern::relay
