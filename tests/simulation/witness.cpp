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
  calls.push_back({.attempt = attempt});
  ++calls_made_;
}

void Witness::answered(DeliveryId delivery, int status, std::string body) {
  calls_[delivery].back().status = status;
  calls_[delivery].back().body = std::move(body);
}

void Witness::timed_out(DeliveryId delivery) {
  calls_[delivery].back().excused = true;
}

void Witness::committed(DeliveryId delivery, std::uint32_t attempt, int status, const std::string* body) {
  auto& calls = calls_[delivery];
  const auto said = [&](const Call& call) {
    return call.status == status && (body == nullptr || call.body == *body);
  };
  if (std::ranges::none_of(calls, said))
    throw Violation(
        fmt::format("{} is recorded with {}, and its app never said so", delivery.to_string(), status));
  const bool success = status >= 200 && status < 300;
  for (Call& call : calls) call.excused |= !success && call.attempt <= attempt;
}

void Witness::agent_died(std::string_view file) {
  agent::Journal survived({});
  survived.load(file);
  for (auto& [delivery, calls] : calls_) {
    tunnel::DeliverHead head;
    head.delivery_id = delivery;
    head.attempt = ~0U;
    const auto known = survived.answer_for(head);
    // An older attempt's outcome that is left says nothing of a later call, whose own was not written yet.
    for (Call& call : calls) call.excused |= call.status == 0 || !known || known->attempt < call.attempt;
  }
}

bool Witness::saw_success(DeliveryId delivery) const {
  const auto found = calls_.find(delivery);
  return found != calls_.end() && std::ranges::any_of(found->second, &Call::succeeded);
}

bool Witness::success_stands(DeliveryId delivery) const {
  const auto found = calls_.find(delivery);
  const auto stands = [](const Call& call) { return call.succeeded() && !call.excused; };
  return found != calls_.end() && std::ranges::any_of(found->second, stands);
}

}  // namespace postern::simulation
