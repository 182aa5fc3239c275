#include "relay/store/commit_order.hpp"

namespace postern::relay {

bool acknowledge_before_commit() noexcept {
  return false;
}

}  // namespace postern::relay
