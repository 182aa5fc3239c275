#pragma once
#include <boost/asio/io_context.hpp>

#include <memory>
#include <span>
#include <vector>

#include "base/clock.hpp"

namespace postern::relay {

/// How far event loops are behind: a byte in a pipe, from when it was written until the loop has read it. Not
/// something posted: that would overtake all the sockets that are ready and not looked at yet, and those are
/// where requests wait. Used by one thread, which is none of the loops'; close() before the loops are to end.
class LoopLag {
 public:
  /// A loop for which no pipe can be had is left out.
  explicit LoopLag(std::span<boost::asio::io_context* const> loops);
  ~LoopLag();
  /// The longest of any loop, now; asks each again that has answered.
  Duration look();
  void close();  ///< nothing of it keeps a loop from ending

 private:
  struct Ear;
  struct Probe;
  std::vector<std::unique_ptr<Probe>> probes_;
};

}  // namespace postern::relay
