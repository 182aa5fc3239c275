#include "agent/allow_entry.hpp"

#include <algorithm>
#include <charconv>

#include "agent/path_limit.hpp"
#include "base/bytes.hpp"

namespace postern::agent {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::string_view kPin = "sha256=";
constexpr std::string_view kMost = "max=";
constexpr std::size_t kMostAtOnce = 1024;
constexpr std::size_t kKeySize = 32;
constexpr std::size_t kMostSocketPath = 107;  // sun_path of Linux, with its NUL

/// parse() adds which entry it is.
std::unexpected<Error> bad(std::string_view why) {
  return fail("invalid_allow", std::string(why));
}

bool is_method(std::string_view text) {
  return !text.empty() && text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == std::string_view::npos;
}

bool is_socket_path(std::string_view path) {
  const auto visible = [](unsigned char c) { return c > 0x20 && c != 0x7f; };
  return path.starts_with('/') && path.size() <= kMostSocketPath &&
         std::all_of(path.begin(), path.end(), visible);
}

std::string_view default_port(std::string_view scheme) {
  if (ascii_iequals(scheme, "http")) return ":80";
  return ascii_iequals(scheme, "https") ? ":443" : "";
}

}  // namespace

std::optional<std::string_view> socket_path(std::string_view host) {
  if (!host.starts_with(kUnix)) return std::nullopt;
  return host.substr(kUnix.size());
}

Result<AllowEntry> AllowEntry::parse(std::string_view text) {
  AllowEntry entry;
  auto rest = entry.take_most(text);
  if (rest) rest = entry.take_methods(*rest);
  if (rest) rest = entry.take_pin(*rest);
  const auto read = rest ? entry.read_place(*rest) : Result<void>(std::unexpected(rest.error()));
  if (!read) return fail("invalid_allow", fmt::format("\"{}\": {}", text, read.error().message));
  return entry;
}

Result<std::string_view> AllowEntry::take_most(std::string_view text) {
  const auto blank = text.rfind(' ');
  if (blank == std::string_view::npos || !text.substr(blank + 1).starts_with(kMost)) return text;
  const std::string_view number = text.substr(blank + 1 + kMost.size());
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), most_);
  if (error != std::errc() || end != number.data() + number.size() || most_ == 0 || most_ > kMostAtOnce)
    return bad("after max= stands how many deliveries the app takes at once: 1 to 1024");
  return text.substr(0, blank);
}

Result<std::string_view> AllowEntry::take_methods(std::string_view text) {
  const auto blank = text.find(' ');
  if (blank == std::string_view::npos) return text;
  std::string_view list = text.substr(0, blank);
  while (true) {
    const auto bar = list.find('|');
    if (!is_method(list.substr(0, bar)))
      return bad("before the blank stand methods in capitals, such as POST or PUT|POST");
    methods_.emplace_back(list.substr(0, bar));
    if (bar == std::string_view::npos) break;
    list.remove_prefix(bar + 1);
  }
  std::sort(methods_.begin(), methods_.end());
  methods_.erase(std::unique(methods_.begin(), methods_.end()), methods_.end());
  return text.substr(blank + 1);
}

Result<std::string_view> AllowEntry::take_pin(std::string_view text) {
  const auto mark = text.find('#');
  if (mark == std::string_view::npos) return text;
  const std::string_view pin = text.substr(mark + 1);
  const auto key = pin.starts_with(kPin) ? hex_decode(pin.substr(kPin.size())) : std::nullopt;
  if (!key || key->size() != kKeySize)
    return bad("after # stands the SHA-256 of the app's public key: #sha256= and 64 hex digits");
  if (!ascii_iequals(text.substr(0, 8), "https://")) return bad("only an https:// app can be known by a key");
  pin_ = *key;
  return text.substr(0, mark);
}

Result<void> AllowEntry::read_place(std::string_view text) {
  if (text.starts_with(kUnix)) return read_socket(text.substr(kUnix.size()));
  std::string port;
  if (const auto mark = text.find("://"); mark != std::string_view::npos) {
    port = default_port(text.substr(0, mark));
    if (port.empty()) return bad("only http://, https:// and unix: apps can be reached");
    text.remove_prefix(mark + 3);
  }
  const auto slash = std::min(text.find('/'), text.size());
  std::string authority(text.substr(0, slash));
  if (!port.empty() && !has_port(authority)) authority += port;
  const bool any_port = authority.ends_with(":*");
  if (any_port) authority.replace(authority.size() - 1, 1, "1");
  auto parsed = parse_host_port(authority);
  if (!parsed) return bad(parsed.error().message);
  place_ = std::move(*parsed);
  if (any_port) place_.port = 0;
  return limit_to(text.substr(slash));
}

Result<void> AllowEntry::read_socket(std::string_view text) {
  const auto colon = std::min(text.find(':'), text.size());
  socket_ = text.substr(0, colon);
  if (!is_socket_path(socket_))
    return bad("after unix: stands an absolute path of at most 107 bytes, without blanks and colons");
  return limit_to(text.substr(std::min(colon + 1, text.size())));
}

/// A bare slash limits nothing.
Result<void> AllowEntry::limit_to(std::string_view path) {
  if (path.empty() || path == "/") return {};
  if (path.find_first_of("?#") != std::string_view::npos) return bad("a path to limit to has no query");
  if (!is_plain_path(path)) return bad("the path must be plain: no //, .. or encoded slashes");
  prefix_ = path;
  return {};
}

bool AllowEntry::reaches(const Call& call) const {
  const auto path = postern::agent::socket_path(call.host);
  if (path || !socket_.empty()) return path && !call.tls && !socket_.empty() && *path == socket_;
  if (!pin_.empty() && !call.tls) return false;
  if (call.port == 0 || (place_.port != 0 && place_.port != call.port)) return false;
  const auto host = canonical_host(call.host);
  return host && *host == place_.host;
}

bool AllowEntry::takes(const Call& call) const {
  const bool method =
      methods_.empty() || std::find(methods_.begin(), methods_.end(), call.method) != methods_.end();
  return method && reaches(call) && (prefix_.empty() || is_below(call.target, prefix_));
}

std::string AllowEntry::to_string() const {
  std::string out;
  for (const std::string& method : methods_) out += (out.empty() ? "" : "|") + method;
  if (!out.empty()) out += ' ';
  if (!socket_.empty()) {
    out += std::string(kUnix) + socket_ + (prefix_.empty() ? "" : ":");
  } else {
    std::string place = place_.to_string();
    if (place_.port == 0) place.replace(place.size() - 1, 1, "*");
    out += (pin_.empty() ? "" : "https://") + place;
  }
  out += prefix_;
  if (!pin_.empty()) out += "#" + std::string(kPin) + hex_encode(pin_);
  if (most_ > 0) out += fmt::format(" {}{}", kMost, most_);
  return out;
}

}  // namespace postern::agent
