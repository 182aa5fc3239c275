#pragma once
#include <functional>
#include <string>
#include <vector>

#include "tests/simulation/relay_process.hpp"

namespace postern::simulation {

/// Sends its events to whatever relay there is, each until one says that it has it. So none that was
/// acknowledged may be missing in the end, and none is there twice.
class Provider {
 public:
  using Relay = std::function<std::shared_ptr<RelayProcess>()>;
  /// `relay` may say null.
  Provider(Scheduler& scheduler, Relay relay) : scheduler_(scheduler), relay_(std::move(relay)) {}
  void send(const std::shared_ptr<const relay::Destination>& destination, std::size_t size, Duration wait);
  /// All have been acknowledged.
  bool satisfied() const { return open_ == 0; }

 private:
  void attempt(std::size_t which);

  struct Item {
    Sent sent;
    bool acknowledged = false;
  };
  Scheduler& scheduler_;
  Relay relay_;
  std::vector<Item> items_;
  std::size_t open_ = 0;
  std::uint64_t last_id_ = 0;
};

}  // namespace postern::simulation
