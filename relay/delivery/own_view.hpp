#pragma once
#include "relay/delivery/breaker.hpp"

namespace postern::relay {

/// Whether what this node finds of a destination is worth telling the others. Pure; one thread.
///
/// Others have just found it up while it was closed off here. Until this node has had as many good answers in
/// a row as probing takes, it cannot tell a destination that went down again from a network of its own that
/// is broken: what it finds then goes for itself alone. Else one node that reaches nothing would close a
/// healthy destination off for all of them, again and again. Those that do reach it judge it by themselves.
class OwnView {
 public:
  /// Others closed it, by their probes, and that opened it up here.
  void found_up_elsewhere(unsigned probes) { wanted_ = left_ = probes; }
  /// Nothing stands against what this node finds: others have found it down too, or somebody knew better.
  void settle() { left_ = 0; }
  void answered(Health health) {
    if (left_ == 0 || health == Health::silent) return;
    left_ = health == Health::good ? left_ - 1 : wanted_;
  }
  bool is_news() const { return left_ == 0; }

 private:
  unsigned wanted_ = 0;
  unsigned left_ = 0;
};

}  // namespace postern::relay
