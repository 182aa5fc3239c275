#include "agent/path_limit.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/http/message.hpp"

namespace postern::agent {
namespace {

/// Not in the decoded text: what another reader may take for a separator, or decode once more. The last
/// three begin no UTF-8 text but the overlong forms of ASCII, or none at all.
bool is_ambiguous(unsigned char c) {
  return c < 0x20 || c == 0x7f || c == '\\' || c == '%' || c == 0xc0 || c == 0xc1 || c >= 0xf5;
}

/// What servers drop: the parameters of RFC 3986's 3.3, which some cut off before they look at the dots.
std::string_view without_parameters(std::string_view segment) {
  return segment.substr(0, std::min(segment.find(';'), segment.size()));
}

bool is_plain_segment(std::string_view segment, bool last) {
  const std::string_view name = without_parameters(segment);
  if (name == "." || name == "..") return false;
  return !name.empty() || (last && segment.empty());
}

std::string_view path_of(std::string_view target) {
  return target.substr(0, std::min(target.find_first_of("?#"), target.size()));
}

}  // namespace

bool is_plain_path(std::string_view path) {
  const auto decoded = http::percent_decode(path);
  if (!decoded || !decoded->starts_with('/') || !is_utf8(*decoded)) return false;
  // A slash that was encoded makes a segment that the raw path has not.
  if (std::count(decoded->begin(), decoded->end(), '/') != std::count(path.begin(), path.end(), '/'))
    return false;
  if (std::any_of(decoded->begin(), decoded->end(), is_ambiguous)) return false;
  std::string_view rest = std::string_view(*decoded).substr(1);
  while (true) {
    const auto slash = rest.find('/');
    const bool last = slash == std::string_view::npos;
    if (!is_plain_segment(rest.substr(0, slash), last)) return false;
    if (last) return true;
    rest.remove_prefix(slash + 1);
  }
}

bool is_below(std::string_view target, std::string_view prefix) {
  const std::string_view path = path_of(target);
  if (!is_plain_path(path)) return false;
  const auto got = http::percent_decode(path);
  const auto limit = http::percent_decode(prefix);
  if (!got || !limit || !got->starts_with(*limit)) return false;
  return limit->ends_with('/') || got->size() == limit->size() || (*got)[limit->size()] == '/';
}

}  // namespace postern::agent
