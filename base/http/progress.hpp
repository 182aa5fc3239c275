#pragma once
#include <string_view>

namespace postern::http {

/// Where an incremental parser stands after it was given some bytes.
enum class Progress { more, done, refused };

/// Why a message was refused, and the status that says so. `reason` is a stable word with static storage.
struct Verdict {
  int status = 400;
  std::string_view reason;
  bool operator==(const Verdict&) const = default;
};

}  // namespace postern::http
