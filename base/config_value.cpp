#include <fmt/format.h>

#include <algorithm>

#include <array>
#include <stdexcept>

#include "base/bytes.hpp"
#include "base/config.hpp"

namespace postern::config {
namespace {

constexpr std::array<std::pair<std::string_view, unsigned>, 5> kUnits = {
    {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}, {"B", 0}}};

bool is_host(std::string_view host) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  };
  return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, fits);
}

bool is_ipv6(std::string_view host) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || (c >= '0' && c <= '9') || c == ':' || c == '.';
  };
  return host.size() >= 2 && host.find(':') != host.npos && std::ranges::all_of(host, fits);
}

}  // namespace

std::string Address::to_string() const {
  return host.find(':') == host.npos ? fmt::format("{}:{}", host, port) : fmt::format("[{}]:{}", host, port);
}

Result<Address> parse_address(std::string_view text) {
  const auto bad = [&] {
    return fail("invalid_address", fmt::format("'{}' is not host:port, such as 127.0.0.1:8080, [::1]:8080 or "
                                               "relay.example:9700.",
                                               text));
  };
  const auto colon = text.rfind(':');
  if (colon == text.npos) return bad();
  std::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed ? !is_ipv6(host) : !is_host(host)) return bad();
  const auto port = parse_u64(text.substr(colon + 1));
  if (!port || *port > 65535) return bad();
  return Address{std::string(host), static_cast<std::uint16_t>(*port)};
}

Result<std::uint64_t> parse_size(std::string_view text) {
  const auto bad = [&] {
    return fail("invalid_size",
                fmt::format("'{}' is not a size: write bytes or B, KiB, MiB, GiB, TiB after a whole "
                            "number, such as 10MiB.",
                            text));
  };
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_u64(text.substr(0, digits));
  if (!number) return bad();
  const std::string_view unit = text.substr(digits);
  if (unit.empty()) return *number;
  for (const auto& [name, shift] : kUnits) {
    if (unit != name) continue;
    if (*number > (UINT64_MAX >> shift)) return bad();
    return *number << shift;
  }
  return bad();
}

std::string format_size(std::uint64_t bytes) {
  for (const auto& [name, shift] : kUnits) {
    const std::uint64_t unit = std::uint64_t{1} << shift;
    if (shift > 0 && bytes >= unit && bytes % unit == 0) return fmt::format("{}{}", bytes / unit, name);
  }
  return fmt::format("{}", bytes);
}

const Value& Values::at(std::string_view key, Type type) const {
  const Setting* setting = find_setting(table_, key);
  const bool fits =
      setting && (setting->type == type || (type == Type::text && setting->type == Type::choice));
  if (!fits) throw std::logic_error(fmt::format("setting {} asked for as what it is not", key));
  return values_.find(key)->second;
}

const std::string& Values::text(std::string_view key) const {
  return at(key, Type::text).text;
}
bool Values::boolean(std::string_view key) const {
  return at(key, Type::boolean).text == "true";
}
std::int64_t Values::integer(std::string_view key) const {
  return static_cast<std::int64_t>(parse_u64(at(key, Type::integer).text).value());
}
Duration Values::duration(std::string_view key) const {
  return parse_duration(at(key, Type::duration).text).value();
}
std::uint64_t Values::size(std::string_view key) const {
  return parse_size(at(key, Type::size).text).value();
}
Address Values::address(std::string_view key) const {
  return parse_address(at(key, Type::address).text).value();
}
const std::vector<std::string>& Values::list(std::string_view key) const {
  return at(key, Type::list).items;
}
const std::string& Values::origin(std::string_view key) const {
  return values_.find(key)->second.origin;
}

}  // namespace postern::config
