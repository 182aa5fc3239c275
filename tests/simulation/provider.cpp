#include "tests/simulation/provider.hpp"

namespace postern::simulation {
namespace {

DeliveryId id_of(std::uint64_t number) {
  DeliveryId id;
  for (std::size_t i = 0; i < 8; ++i) id.uuid[7 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  return id;
}

}  // namespace

void Provider::send(const std::shared_ptr<const relay::Destination>& destination, std::size_t size,
                    Duration wait) {
  const std::size_t which = items_.size();
  items_.push_back({{std::to_string(which), destination, size}});
  ++open_;
  scheduler_.after(wait, [this, which] { attempt(which); });
}

/// Each time with an id of its own, as ingest gives them.
void Provider::attempt(std::size_t which) {
  if (items_[which].acknowledged) return;
  if (const auto relay = relay_()) {
    relay->ingest(items_[which].sent, id_of(++last_id_), [this, which] {
      if (!std::exchange(items_[which].acknowledged, true)) --open_;
    });
  }
  scheduler_.after(scheduler_.between(500, 5000), [this, which] { attempt(which); });
}

}  // namespace postern::simulation
