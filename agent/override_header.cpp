#include "agent/override_header.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace postern::agent {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"x-http-method-override", "x-http-method",
                                                    "x-method-override",      "x-original-url",
                                                    "x-rewrite-url",          "x-original-uri"};

bool is_override(const http::Header& header) {
  std::string name = header.name;
  std::ranges::replace(name, '_', '-');
  return std::ranges::any_of(kNames, [&](std::string_view known) { return ascii_iequals(name, known); });
}

}  // namespace

std::string_view override_header(std::span<const http::Header> headers) {
  const auto found = std::ranges::find_if(headers, is_override);
  return found == headers.end() ? std::string_view() : std::string_view(found->name);
}

}  // namespace postern::agent
