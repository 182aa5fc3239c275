#pragma once
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>

#include "agent/handover.hpp"
#include "base/clock.hpp"

namespace postern::agent {

/// One end of the pair of sockets between predecessor and successor. One loop.
class HandoverChannel : public std::enable_shared_from_this<HandoverChannel> {
 public:
  struct Told {
    std::function<void(HandoverFrame)> frame;
    /// The other end is gone or, with an error, sent what cannot be read (`malformed`) or does not keep up
    /// (`overflow`), and may live. Once, the last.
    std::function<void(Result<void>)> closed;
  };
  /// `fd`: a connected stream socket, which it owns.
  HandoverChannel(const boost::asio::any_io_executor& executor, int fd);

  void start(Told told);
  /// In the kernel when it returns, unless the other end does not keep up: so it arrives even if this process
  /// is killed right after. More than kQueueMost that wait end the channel.
  void send(HandoverType type, std::string_view payload = {});
  /// This process ends: what still waits is sent, as far as the other end takes it within the limit. Blocks.
  void finish(Duration limit);
  /// Nothing more is told.
  void close();

 private:
  static constexpr std::size_t kQueueMost = std::size_t{64} * 1024 * 1024;
  void read();
  void flush();
  bool send_some();
  void wait_for_room();
  void end(Result<void> how);

  boost::asio::posix::stream_descriptor socket_;
  Told told_;
  HandoverReader reader_;
  std::array<char, 16384> buffer_{};
  std::string queue_;
  bool waiting_ = false;
};

}  // namespace postern::agent
