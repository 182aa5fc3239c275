#include "relay/overload/loop_turn.hpp"

namespace postern::relay {
namespace {

thread_local std::shared_ptr<const LoopTurn> followed;

}  // namespace

void LoopTurn::follow(std::shared_ptr<const LoopTurn> turn) {
  followed = std::move(turn);
}

const LoopTurn* LoopTurn::here() {
  return followed.get();
}

}  // namespace postern::relay
