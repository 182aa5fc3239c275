#include "relay/providers/order_rule.hpp"

#include <algorithm>

#include "base/crypto.hpp"
#include "base/http/chars.hpp"

namespace postern::relay {
namespace {

constexpr std::string_view kHeader = "header:";
constexpr std::size_t kHeaderMost = 128;

OrderKey digest_of(std::string_view value) {
  const std::string digest = sha256(value);
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < 8; ++i) number = number << 8 | static_cast<unsigned char>(digest[i]);
  return std::max(static_cast<OrderKey>(number >> 1), kLeastValueKey);
}

}  // namespace

Result<OrderRule> OrderRule::parse(std::string_view text) {
  OrderRule rule;
  if (text.starts_with(kHeader)) {
    rule.header_ = text.substr(kHeader.size());
    if (rule.header_.size() > kHeaderMost || !http::is_token(rule.header_))
      return fail("malformed_key",
                  "after \"header:\" stands the name of a header, such as header:X-Customer");
    return rule;
  }
  auto pointer = JsonPointer::parse(text);
  if (!pointer) return fail("malformed_key", pointer.error().message + "; or header:X-Customer");
  rule.pointer_ = std::move(*pointer);
  return rule;
}

OrderRule OrderRule::of(const Destination& destination) {
  OrderRule rule;
  if (destination.ordering == Ordering::destination) rule.fixed_ = kWholeDestination;
  if (destination.ordering == Ordering::key) rule = parse(destination.ordering_key).value_or(OrderRule());
  return rule;
}

OrderKey OrderRule::key_of(const Event& event) const {
  if (!pointer_ && header_.empty()) return fixed_;
  const auto value = value_in(event);
  return value && !value->empty() ? digest_of(*value) : kNoOrder;
}

std::optional<std::string> OrderRule::value_in(const Event& event) const {
  if (pointer_) {
    const JsonPointer* const wanted[] = {&*pointer_};
    return scan_json(event.body, wanted)[0];
  }
  const std::string* const found = http::find_header(event.headers, header_);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

}  // namespace postern::relay
