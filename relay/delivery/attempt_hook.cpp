#include "relay/delivery/attempt_hook.hpp"

namespace postern::relay {

void attempt_begins(const LeasedDelivery&) noexcept {}

}  // namespace postern::relay
