#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/error.hpp"
#include "relay/model.hpp"
#include "relay/order_key.hpp"
#include "relay/providers/json_scan.hpp"

namespace postern::relay {

/// Which key a delivery of a destination is made under.
///
/// With Ordering::key it is taken from the request as it came, before any transform: "/customer/id" is a JSON
/// pointer (RFC 6901) into the body, "header:X-Customer" the first header of that name. A string and a number
/// with the same text are one key. A request without it, or with an empty or structured value there, has
/// none: its delivery is in no order. Two values share a key by chance with 2⁻⁶³; they are then in order
/// among themselves, no more.
class OrderRule {
 public:
  /// What a user writes for Ordering::key. Error `malformed_key`, which says what is wrong.
  static Result<OrderRule> parse(std::string_view text);
  /// Of what is stored. One that cannot be read orders nothing.
  static OrderRule of(const Destination& destination);

  OrderKey key_of(const Event& event) const;

 private:
  std::optional<std::string> value_in(const Event& event) const;

  OrderKey fixed_ = kNoOrder;  ///< when neither of these is there
  std::optional<JsonPointer> pointer_;
  std::string header_;
};

}  // namespace postern::relay
