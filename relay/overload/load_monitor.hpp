#pragma once
#include <prometheus/gauge.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "relay/overload/load_policy.hpp"
#include "relay/overload/loop_lag.hpp"
#include "relay/overload/shedding.hpp"
#include "relay/overload/wait_estimate.hpp"

namespace postern::relay {

/// Everything outlives the monitor.
struct MonitorParts {
  std::function<StorePressure()> store;  ///< called on the monitor's thread
  std::span<boost::asio::io_context* const> loops;
  Shedding& shedding;
  prometheus::Registry& metrics;
  Duration wait_most{};  ///< see LoadPolicy
};

/// Looks forty times a second, on a thread of its own: what it watches may be what stands still. A change of
/// level is logged, at most once in five seconds with the highest in between ("load.level").
///
///   postern_load_wait_seconds{of="store|loops|outcome"}   as last seen
class LoadMonitor {
 public:
  static constexpr Duration kEvery = std::chrono::milliseconds(25);
  static constexpr Duration kToldEvery = std::chrono::seconds(5);

  explicit LoadMonitor(MonitorParts parts);
  ~LoadMonitor();
  void start();
  void stop();  ///< before the loops are to end. The last level stays. Idempotent

 private:
  void run();
  void look(SteadyTime now);
  void tell(LoadLevel level, const LoadSample& sample, SteadyTime now);

  MonitorParts parts_;
  LoadPolicy policy_;
  WaitEstimate estimate_;
  LoopLag lag_;
  prometheus::Gauge* store_;
  prometheus::Gauge* loops_;
  prometheus::Gauge* outcome_;

  LoadLevel told_ = LoadLevel::calm;
  LoadLevel highest_ = LoadLevel::calm;  ///< since it was told
  std::optional<SteadyTime> told_at_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace postern::relay
