#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace postern::relay {

/// An exact amount: units / 10^exponent. Never a float.
struct Money {
  std::int64_t units = 0;
  unsigned exponent = 2;  ///< digits behind the point, at most 6
  std::string currency;   ///< ISO 4217 in upper case; empty when the provider does not say
  bool operator==(const Money&) const = default;
};

/// ISO 4217's minor-unit digits: 0 for JPY, 3 for KWD, 2 for most and for what is not known.
unsigned iso_exponent(std::string_view currency);
/// As Stripe counts in its API: ISO's, except that ISK and UGX are still given in hundredths, and MGA in
/// whole units.
unsigned stripe_exponent(std::string_view currency);

/// "1234.5", "-3", as shops write prices; at least as many digits behind the point as the currency has.
/// nullopt when malformed, with more than 6 digits behind the point, or out of range.
std::optional<Money> parse_money(std::string_view decimal, std::string_view currency);
/// nullopt on overflow.
std::optional<Money> times(const Money& money, std::int64_t quantity);

/// "1,234.50 EUR", "-5 JPY"; without the currency when it is not known.
std::string format_money(const Money& money);

}  // namespace postern::relay
