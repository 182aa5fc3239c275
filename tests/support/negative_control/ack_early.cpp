// The negative control of the kill test: linked before the library, this takes the place of commit_order.cpp.
#include "relay/store/commit_order.hpp"

namespace postern::relay {

bool acknowledge_before_commit() noexcept {
  return true;
}

}  // namespace postern::relay
