#pragma once
#include <string>
#include <vector>

#include "relay/store/database.hpp"

namespace postern::relay {

/// A condition on d.reason. What a user asks for is the whole reason or what stands before its colon:
/// "transform_failed" finds "transform_failed: no such key". Adds what it compares with to `values`, which
/// are the statement's parameters after its first `before`.
std::string reason_is(const std::string& reason, std::vector<Value>& values, std::size_t before = 0);

}  // namespace postern::relay
