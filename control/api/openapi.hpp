#pragma once
#include <string_view>

namespace postern::control {

/// openapi.yaml as it was when this program was built.
std::string_view openapi_yaml();

}  // namespace postern::control
