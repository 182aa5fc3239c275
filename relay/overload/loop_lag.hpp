#pragma once
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "base/clock.hpp"

namespace postern::relay {

/// How far event loops are behind: what is posted to each, from when it was posted until it ran. Used by one
/// thread, which is none of the loops'; they may be stopped or gone before it is destroyed.
class LoopLag {
 public:
  explicit LoopLag(std::span<boost::asio::io_context* const> loops);
  /// The longest of any loop, now; asks each again that has answered.
  Duration look();

 private:
  struct Answer {
    std::atomic<bool> asked{false};
    std::atomic<std::int64_t> micros{0};  ///< what the last one took
  };
  struct Probe {
    boost::asio::io_context* loop;
    SteadyTime asked_at{};
    std::shared_ptr<Answer> answer = std::make_shared<Answer>();
  };
  static Duration look_at(Probe& probe, SteadyTime now);

  std::vector<Probe> probes_;
};

}  // namespace postern::relay
