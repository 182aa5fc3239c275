#pragma once
#include <string>
#include <string_view>

#include "relay/model.hpp"

namespace postern::relay {

/// What programs see of an event beside its body, as a JSON object:
///
///   {"headers": {"x-github-event": "push", "x-twice": ["1", "2"]},   names in lower case
///    "query": {"a": "1"},                                            decoded; repeats as an array
///    "method": "POST",
///    "form": {"id": "1"},                                            only for
///    application/x-www-form-urlencoded "event": {"id", "type", "provider", "source", "received_at",
///    "verified"}}
///
/// The worker adds "body", or "body" as null and "body_text". Bytes that are not UTF-8 are read as ISO
/// 8859-1. Pure.
std::string event_input(const Event& event, std::string_view provider, std::string_view source);

}  // namespace postern::relay
