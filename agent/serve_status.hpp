#pragma once
#include <memory>

#include "agent/health_keeper.hpp"
#include "agent/keeper.hpp"
#include "agent/notify.hpp"
#include "agent/result_keeper.hpp"

namespace postern::agent {

/// Who knows what of it. Those that are gone say nothing more; `results` and `manager` outlive the board.
struct StatusSources {
  std::weak_ptr<Keeper> keeper;
  std::weak_ptr<Forwarder> forwarder;
  std::weak_ptr<HealthKeeper> health;
  const ResultKeeper& results;
  ServiceManager& manager;
};

/// From now on the board asks each of them whenever it is written, and the service manager is told in a line.
void fill_from(StatusBoard& board, StatusSources sources);

}  // namespace postern::agent
