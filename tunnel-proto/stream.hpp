#pragma once
#include <boost/intrusive/list.hpp>

#include <cstdint>
#include <memory>
#include <string>

#include "base/clock.hpp"
#include "tunnel-proto/flow.hpp"
#include "tunnel-proto/wire.hpp"

namespace postern::tunnel {

/// A body to send: shared, so that it is never copied for its time in the queue. Null is empty.
using Body = std::shared_ptr<const std::string>;

using StreamHook =
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

/// One stream inside a Session. It leaves every list it is in when it is destroyed.
struct Stream {
  Stream(StreamId number, std::uint64_t peer_window, std::uint64_t own_window, SteadyTime now)
      : id(number), send(peer_window), receive(own_window), raised_at(now) {}

  const StreamId id;
  std::uint64_t target = 0;  ///< whose turns it shares: FairQueue

  // Out
  std::string head;  ///< waits in `heads` until it is sent
  bool head_sent = false;
  Body body;
  std::size_t body_sent = 0;
  SendWindow send;
  StreamHook in_heads;
  StreamHook in_ready;  ///< has bytes to send and a window for some of them

  // In
  bool head_received = false;
  bool end_received = false;
  std::string unread;  ///< at most receive.window() bytes
  bool readable_told = false;
  ReceiveWindow receive;
  SteadyTime raised_at;   ///< when the window was last raised
  StreamHook in_windows;  ///< a WINDOW frame is owed

  std::size_t body_left() const { return body ? body->size() - body_sent : 0; }
};

template <StreamHook Stream::* Hook>
using StreamList = boost::intrusive::list<Stream, boost::intrusive::member_hook<Stream, StreamHook, Hook>,
                                          boost::intrusive::constant_time_size<false>>;

}  // namespace postern::tunnel
