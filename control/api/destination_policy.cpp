#include "control/api/destination_policy.hpp"

#include "relay/providers/order_rule.hpp"

namespace postern::control {
namespace {

namespace json = boost::json;
using relay::BreakerPolicy;
using relay::Destination;

constexpr std::int64_t kRateMost = 100'000;
constexpr std::int64_t kCountMost = 10'000;
constexpr std::int64_t kProbesMost = 100;
constexpr Duration kWindowLeast = std::chrono::seconds(1);
constexpr Duration kOpenLeast = std::chrono::milliseconds(100);
constexpr Duration kTimeMost = std::chrono::hours(24);
constexpr std::size_t kKeyMost = 256;

/// Reads an object inside; its errors carry the name of both.
template <class Read>
void read_inside(Fields& fields, std::string_view name, Read read) {
  const json::object* object = fields.object(name);
  if (!object) return;
  Fields inner(*object);
  read(inner);
  const auto problem = inner.finish();
  if (!problem) return;
  for (const FieldError& error : problem->errors) {
    fields.wrong(fmt::format("{}.{}", name, error.field), error.message);
  }
}

template <class Number, class Read>
void put(Number& place, const std::optional<Read>& read) {
  if (read) place = static_cast<Number>(*read);
}

void read_breaker(Fields& fields, BreakerPolicy& policy) {
  put(policy.enabled, fields.boolean("enabled"));
  put(policy.failure_percent, fields.integer("failure_percent", 1, 100));
  put(policy.least_attempts, fields.integer("least_attempts", 1, kCountMost));
  put(policy.failures_in_a_row, fields.integer("failures_in_a_row", 1, kCountMost));
  put(policy.window, fields.duration("window", kWindowLeast, kTimeMost));
  put(policy.open_first, fields.duration("open_first", kOpenLeast, kTimeMost));
  put(policy.open_most, fields.duration("open_most", kOpenLeast, kTimeMost));
  put(policy.probes, fields.integer("probes", 1, kProbesMost));
  if (policy.open_most < policy.open_first) fields.wrong("open_most", "must not be less than open_first.");
}

void read_ordering(Fields& fields, Destination& destination) {
  if (const auto text = fields.text("ordering", 16)) {
    const auto ordering = relay::ordering_from(*text);
    if (!ordering) fields.wrong("ordering", "must be none, destination or key.");
    destination.ordering = ordering.value_or(destination.ordering);
  }
  const auto key = fields.text("ordering_key", kKeyMost);
  if (destination.ordering != relay::Ordering::key) {
    if (key) fields.wrong("ordering_key", "needs \"ordering\": \"key\".");
    return destination.ordering_key.clear();
  }
  if (key) destination.ordering_key = *key;
  if (destination.ordering_key.empty())
    return fields.wrong("ordering_key", "says where the key stands: /customer/id or header:X-Customer.");
  const auto rule = relay::OrderRule::parse(destination.ordering_key);
  if (!rule) fields.wrong("ordering_key", rule.error().message + ".");
}

json::value optional_time(Time time) {
  return time == Time{} ? json::value(nullptr) : json::value(to_rfc3339(time));
}

}  // namespace

void read_policy(Fields& fields, Destination& destination) {
  read_inside(fields, "rate_limit", [&](Fields& limit) {
    put(destination.rate_per_second, limit.integer("per_second", 0, kRateMost));
    put(destination.rate_burst, limit.integer("burst", 0, kRateMost));
  });
  read_ordering(fields, destination);
  read_inside(fields, "breaker", [&](Fields& breaker) { read_breaker(breaker, destination.breaker); });
}

void show_policy(json::object& shown, const Destination& destination) {
  const BreakerPolicy& policy = destination.breaker;
  shown["rate_limit"] = {{"per_second", destination.rate_per_second}, {"burst", destination.rate_burst}};
  shown["ordering"] = relay::to_text(destination.ordering);
  shown["ordering_key"] =
      destination.ordering_key.empty() ? json::value(nullptr) : json::value(destination.ordering_key);
  shown["breaker"] = {{"enabled", policy.enabled},
                      {"failure_percent", policy.failure_percent},
                      {"least_attempts", policy.least_attempts},
                      {"failures_in_a_row", policy.failures_in_a_row},
                      {"window", format_duration(policy.window)},
                      {"open_first", format_duration(policy.open_first)},
                      {"open_most", format_duration(policy.open_most)},
                      {"probes", policy.probes}};
}

json::object view(const BreakerStatus& breaker) {
  return {{"state", breaker.state},
          {"since", optional_time(breaker.since)},
          {"probe_at", optional_time(breaker.probe_at)},
          {"attempts", breaker.attempts},
          {"failures", breaker.failures},
          {"failures_in_a_row", breaker.failures_in_a_row}};
}

}  // namespace postern::control
