#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string_view>

#include "tests/simulation/witness.hpp"
#include "tunnel-proto/frame.hpp"
#include "tunnel-proto/session.hpp"

namespace postern::simulation {

/// Reads what one end of a session sends, and throws Violation when a stream starves that could send: that
/// has begun, has bytes left and a window for them. What deficit round robin promises it (FairQueue):
///
/// - Of its own target every other stream sends one DATA frame at most before it is its turn.
/// - So its target needs no more visits than it has such streams, and one; from one visit to the next each
/// other
///   target is visited twice at most, the second time as one that has just come back, and a visit is a
///   quantum and less than a frame.
class FairWatch {
 public:
  /// `peer_window`: what the peer lets a stream send at first.
  FairWatch(tunnel::Role role, std::uint64_t peer_window) : role_(role), peer_window_(peer_window) {}
  void sent(std::string_view bytes);
  void received(std::string_view bytes);  ///< before the session sees them

 private:
  struct Sender {
    std::uint64_t target = 0;
    std::uint64_t sent = 0, limit = 0;
    // While it could send, and has not:
    std::uint64_t passed_by = 0;               // bytes of others
    std::map<tunnel::StreamId, unsigned> own;  // frames of others of its target
    std::set<std::uint64_t> other_targets;
  };
  void on_sent(const tunnel::FrameReader::Item& item);
  void on_received(const tunnel::FrameReader::Item& item);
  void begin(const tunnel::FrameReader::Item& head);
  void on_data(const tunnel::FrameHeader& header);
  void check(tunnel::StreamId id, const Sender& waiting) const;

  const tunnel::Role role_;
  const std::uint64_t peer_window_;
  tunnel::FrameReader out_{tunnel::kMaxMessage}, in_{tunnel::kMaxMessage};
  std::map<tunnel::StreamId, Sender> senders_;  // those with a body that is not sent
};

}  // namespace postern::simulation
