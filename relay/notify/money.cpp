#include "relay/notify/money.hpp"

#include <algorithm>
#include <array>

#include "base/bytes.hpp"

namespace postern::relay {
namespace {

constexpr unsigned kMostExponent = 6;
constexpr std::array<std::string_view, 16> kZero = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW",
                                                    "PYG", "RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF"};
constexpr std::array<std::string_view, 7> kThree = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};
constexpr std::array<std::string_view, 2> kFour = {"CLF", "UYW"};

template <class List>
bool contains(const List& list, std::string_view code) {
  return std::any_of(list.begin(), list.end(),
                     [&](std::string_view entry) { return ascii_iequals(entry, code); });
}

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

/// Three letters, or nothing: a currency stands in messages and is not the place for other words.
std::string clean_currency(std::string_view currency) {
  const std::string code = upper(currency);
  const bool sound =
      code.size() == 3 && code.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos;
  return sound ? code : std::string();
}

std::string group_thousands(std::string_view digits) {
  std::string out;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
    out += digits[i];
  }
  return out;
}

}  // namespace

unsigned iso_exponent(std::string_view currency) {
  if (contains(kZero, currency) || ascii_iequals(currency, "XPF")) return 0;
  if (contains(kThree, currency)) return 3;
  return contains(kFour, currency) ? 4 : 2;
}

unsigned stripe_exponent(std::string_view currency) {
  if (ascii_iequals(currency, "ISK") || ascii_iequals(currency, "UGX")) return 2;
  return ascii_iequals(currency, "MGA") ? 0 : iso_exponent(currency);
}

std::optional<Money> parse_money(std::string_view decimal, std::string_view currency) {
  const bool negative = decimal.starts_with('-');
  if (negative) decimal.remove_prefix(1);
  const auto point = decimal.find('.');
  const std::string_view whole = decimal.substr(0, point);
  std::string fraction(point == std::string_view::npos ? std::string_view() : decimal.substr(point + 1));
  if (whole.empty() || (point != std::string_view::npos && fraction.empty())) return std::nullopt;
  const unsigned least = iso_exponent(currency);
  while (fraction.size() < least) fraction += '0';
  while (fraction.size() > least && fraction.back() == '0') fraction.pop_back();
  if (fraction.size() > kMostExponent) return std::nullopt;
  const auto units = parse_u64(std::string(whole) + fraction);
  if (!units || *units > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  const auto value = static_cast<std::int64_t>(*units);
  return Money{negative ? -value : value, static_cast<unsigned>(fraction.size()), clean_currency(currency)};
}

std::optional<Money> times(const Money& money, std::int64_t quantity) {
  Money out = money;
  if (__builtin_mul_overflow(money.units, quantity, &out.units)) return std::nullopt;
  return out;
}

std::string format_money(const Money& money) {
  // Negated as unsigned: INT64_MIN has no positive twin.
  const auto raw = static_cast<std::uint64_t>(money.units);
  std::string digits = std::to_string(money.units < 0 ? 0 - raw : raw);
  const std::size_t exponent = std::min(money.exponent, kMostExponent);
  if (digits.size() <= exponent) digits.insert(0, exponent + 1 - digits.size(), '0');
  const std::string_view all = digits;
  std::string out = money.units < 0 ? "-" : "";
  out += group_thousands(all.substr(0, all.size() - exponent));
  if (exponent > 0) out.append(".").append(all.substr(all.size() - exponent));
  const std::string currency = clean_currency(money.currency);
  if (!currency.empty()) out += " " + currency;
  return out;
}

}  // namespace postern::relay
