#include <fmt/format.h>

#include <cstdlib>

#include "base/bytes.hpp"
#include "relay/routing/outcome.hpp"
#include "relay/routing/payload.hpp"
#include "relay/routing/wire.hpp"

/// What a worker says, as if a program had taken it over: whatever it is, nothing may crash, what is believed
/// can be sent, and what is read reads the same when it is written again.
using namespace postern;
using namespace postern::relay;

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  fmt::print(stderr, "broken: {}\n", what);
  std::abort();
}

void check_sendable(const Payload& payload) {
  require(payload.body.size() <= kPayloadBytesMax, "a payload over its limit was believed");
  for (const http::Header& header : payload.headers) {
    require(header.name.find_first_of("\r\n:") == header.name.npos, "a header name that forges a line");
    require(header.value.find_first_of(std::string_view("\r\n\0", 3)) == header.value.npos,
            "a value that does");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  if (const auto ruling = decode_ruling(input)) {
    if (ruling->payload && check_payload(*ruling->payload)) check_sendable(*ruling->payload);
    const std::string reason = reason_of(*ruling, {"f", "t"});
    require(reason.size() <= kReasonBytesMax && is_utf8(reason), "a reason that cannot be shown");
    require(encode(*ruling).substr(kFrameHead) == input || ruling->kind != Ruling::Kind::transformed ||
                ruling->message.size() > kMessageBytesMax,
            "a ruling is not written as it was read");
  }
  if (const auto request = decode_request(input)) {
    require(encode(*request).substr(kFrameHead) == input, "a request is not written as it was read");
  }
  frame_length(input.substr(0, kFrameHead), kReplyBytesMax);
  return 0;
}
