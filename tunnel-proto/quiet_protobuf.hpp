#pragma once
#include <google/protobuf/message_lite.h>
#include <google/protobuf/stubs/common.h>
#if GOOGLE_PROTOBUF_VERSION < 4022000
#include <google/protobuf/stubs/logging.h>
#endif

namespace postern::tunnel {

/// Before anything is parsed that comes from outside. Older libraries report text that is not UTF-8 on stderr
/// by themselves: lines that a stranger could make as often as it likes, around our log. The parser's answer
/// says the same.
inline void silence_library() {
#if GOOGLE_PROTOBUF_VERSION < 4022000
  [[maybe_unused]] static const auto earlier = google::protobuf::SetLogHandler(nullptr);
#endif
}

}  // namespace postern::tunnel
