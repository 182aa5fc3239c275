#pragma once
#include <boost/intrusive/list.hpp>

#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "tunnel-proto/stream.hpp"

namespace postern::tunnel {

/// Whose turn it is to send a piece of a body: deficit round robin among targets, and of a target's streams
/// each in turn. A target that has just got something to send comes before those that have been at it, for
/// one quantum, so that a small request to one app does not wait for bulk to others. A target that asks for
/// more than that takes its place in the round, also when it had nothing for a moment; so none starves.
///
/// Targets are forgotten when they have nothing to send: it holds no more of them than streams are ready.
class FairQueue {
 public:
  static constexpr std::int64_t kQuantum = 16'384;

  void push(Stream& stream);
  bool empty() const;
  /// Whose turn it is; null when nobody is ready. The stream stays where it is until sent().
  Stream* front();
  /// front() has sent that much. `again`: it is ready to send more.
  void sent(Stream& stream, std::size_t bytes, bool again);

 private:
  using Hook = boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
  struct Target {
    explicit Target(std::uint64_t number) : key(number) {}
    const std::uint64_t key;
    std::int64_t deficit = 0;
    StreamList<&Stream::in_ready> ready;
    Hook in_round;
  };
  using Round = boost::intrusive::list<Target, boost::intrusive::member_hook<Target, Hook, &Target::in_round>,
                                       boost::intrusive::constant_time_size<false>>;

  Target* whose_turn();
  void rest(Target& target, bool was_fresh);

  std::unordered_map<std::uint64_t, Target> targets_;
  Round fresh_;  // each in its first quantum
  Round old_;
};

}  // namespace postern::tunnel
