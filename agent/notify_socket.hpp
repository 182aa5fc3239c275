#pragma once
#include <string_view>

namespace postern::agent {

/// Tells whoever supervises this process (systemd, by NOTIFY_SOCKET) something: "READY=1", "MAINPID=123".
/// False when nobody asked for it, or it could not be told.
bool notify_supervisor(std::string_view state);

}  // namespace postern::agent
