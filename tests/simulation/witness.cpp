#include "tests/simulation/witness.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace postern::simulation {

void Witness::called(DeliveryId delivery, std::uint32_t attempt) {
  auto& calls = calls_[delivery];
  for (const Call& earlier : calls) {
    if (earlier.excused) continue;
    throw Violation(fmt::format("{} called twice: attempt {} (answered {}), then attempt {}",
                                delivery.to_string(), earlier.attempt, earlier.status, attempt));
  }
  calls.push_back({attempt, 0, false});
  ++calls_made_;
}

void Witness::answered(DeliveryId delivery, int status) {
  calls_[delivery].back().status = status;
}

void Witness::timed_out(DeliveryId delivery) {
  calls_[delivery].back().excused = true;
}

void Witness::committed(DeliveryId delivery, std::uint32_t attempt, int status) {
  const bool success = status >= 200 && status < 300;
  if (success && !saw_success(delivery))
    throw Violation(delivery.to_string() + " is recorded as delivered, and its app never said so");
  for (Call& call : calls_[delivery]) call.excused |= !success && call.attempt <= attempt;
}

void Witness::agent_died(std::string_view file) {
  agent::Journal survived({});
  survived.load(file);
  for (auto& [delivery, calls] : calls_) {
    tunnel::DeliverHead head;
    head.delivery_id = delivery;
    head.attempt = ~0U;
    const bool known = survived.answer_for(head).has_value();
    for (Call& call : calls) call.excused |= call.status == 0 || !known;
  }
}

bool Witness::saw_success(DeliveryId delivery) const {
  const auto found = calls_.find(delivery);
  if (found == calls_.end()) return false;
  return std::ranges::any_of(found->second,
                             [](const Call& call) { return call.status >= 200 && call.status < 300; });
}

}  // namespace postern::simulation
