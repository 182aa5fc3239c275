#pragma once
#include <string>
#include <string_view>

#include "base/http/gate.hpp"

namespace postern::test {

/// Reads `bytes` with Beast's parser and compares method, target, version, header fields, body and where the
/// request ends. Empty when they agree, else one line about the first difference.
std::string disagreement_with_beast(std::string_view bytes, const http::Head& head, std::string_view body,
                                    std::size_t used);

}  // namespace postern::test
