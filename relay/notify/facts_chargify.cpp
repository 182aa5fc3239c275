#include "base/bytes.hpp"
#include "base/http/message.hpp"
#include "relay/notify/facts.hpp"

namespace postern::relay {
namespace {

constexpr std::size_t kMostFormBytes = 64 * 1024;

std::string field(std::string_view form, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto values = http::query_values(form, name);
    if (!values.empty() && !values.front().empty()) return values.front();
  }
  return {};
}

std::string customer(std::string_view form) {
  const std::string first =
      field(form, {"payload[subscription][customer][first_name]", "payload[customer][first_name]"});
  const std::string last =
      field(form, {"payload[subscription][customer][last_name]", "payload[customer][last_name]"});
  std::string name = first.empty() || last.empty() ? first + last : first + " " + last;
  if (std::string company =
          field(form, {"payload[subscription][customer][organization]", "payload[customer][organization]"});
      !company.empty())
    name = std::move(company);
  return person(std::move(name),
                field(form, {"payload[subscription][customer][email]", "payload[customer][email]"}));
}

/// The field is named after cents and holds the minor unit of the currency, which not every payload names.
std::optional<Money> amount(std::string_view form) {
  std::string digits = field(form, {"payload[transaction][amount_in_cents]"});
  const bool negative = digits.starts_with('-');
  const auto units = parse_u64(std::string_view(digits).substr(negative ? 1 : 0));
  if (!units || *units > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  const auto value = static_cast<std::int64_t>(*units);
  std::string currency = field(form, {"payload[transaction][currency]", "payload[subscription][currency]"});
  return Money{negative ? -value : value, iso_exponent(currency), std::move(currency)};
}

}  // namespace

Facts chargify_facts(std::string_view form) {
  if (form.size() > kMostFormBytes) return {};  // every field is a walk over all of it
  Facts facts;
  facts.amount = amount(form);
  facts.customer = customer(form);
  const std::string subscription = field(form, {"payload[subscription][id]"});
  facts.subject = field(form, {"payload[subscription][product][name]"});
  if (facts.subject.empty() && !subscription.empty()) facts.subject = "Subscription " + subscription;
  facts.detail = field(form, {"payload[transaction][memo]", "payload[subscription][state]"});
  return facts;
}

}  // namespace postern::relay
