#pragma once
#include "relay/store/event_log.hpp"

namespace postern::relay {

/// Called when an attempt begins. In the shipped program it does nothing; a function of its own only so that
/// a test program can be linked with another one that dies of some payload. There is no setting for it.
void attempt_begins(const LeasedDelivery& leased) noexcept;

}  // namespace postern::relay
