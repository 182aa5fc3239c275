// What the inspector says of a request and an answer with any bytes at all: valid JSON, and a body that is
// all there.
#include <boost/json.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "agent/inspector/guard.hpp"
#include "agent/inspector/record_json.hpp"
#include "base/bytes.hpp"

namespace {

using namespace postern;
using namespace postern::agent::inspector;

void demand(bool holds) {
  if (!holds) std::abort();
}

void check(std::string_view bytes) {
  const ManualClock clock;
  const auto recorder = std::make_shared<Recorder>(clock, RecorderLimits{.body_bytes = 64});
  tunnel::DeliverHead head;
  head.host = head.method = head.target = bytes;
  head.headers = {{std::string(bytes), std::string(bytes)}};
  tunnel::ResultHead result;
  result.outcome = tunnel::ResultOutcome::delivered;
  result.error_code = result.error_message = bytes;
  result.headers = head.headers;
  Recording recording(recorder, head);
  recording.body(bytes);
  recording.ended(result, bytes);
  const std::string text =
      boost::json::serialize(detail_json(recorder->records().front(), recorder->records()));
  demand(is_utf8(text));
  const auto body = boost::json::parse(text).at_pointer("/request/body").as_object();
  if (bytes.size() > 64) return;
  demand((body.contains("text") ? std::string(body.at("text").as_string())
                                : *base64_decode(body.at("base64").as_string())) == bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  is_loopback_host(bytes);
  return 0;
}
