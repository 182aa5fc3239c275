#pragma once
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>

#include "tests/simulation/machine.hpp"

namespace postern::simulation {

/// A program's loop on a simulated machine: an io_context whose timers go by the scheduler
/// (virtual_time.hpp).
class Loop : public std::enable_shared_from_this<Loop> {
 public:
  explicit Loop(Machine& machine) : machine_(machine) {}
  boost::asio::io_context& context() { return context_; }
  /// All that is ready, if the machine is awake. To be called after whatever may have made something ready.
  void poll();

 private:
  void follow_timer();

  Machine& machine_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> busy_ =
      boost::asio::make_work_guard(context_);
  std::optional<SteadyTime> armed_;
};

}  // namespace postern::simulation
