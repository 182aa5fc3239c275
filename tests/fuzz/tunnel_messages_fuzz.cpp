// Heads, acknowledgements, GOAWAY and join tokens from anybody: what is taken can be said again and is the
// same.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tunnel-proto/join_token.hpp"
#include "tunnel-proto/messages.hpp"

namespace postern::tunnel {
namespace {

void demand(bool holds) {
  if (!holds) std::abort();
}

/// Encoding what was decoded, twice, gives the same bytes: nothing is lost on the second way that was kept on
/// the first.
template <class Decode, class Encode>
void same_again(std::string_view bytes, Decode decode, Encode encode) {
  const auto first = decode(bytes);
  if (!first) return;
  const std::string once = encode(*first);
  if (once.empty()) return;  // too large to be said: an error, and no crash
  const auto second = decode(once);
  demand(second.has_value());
  demand(encode(*second) == once);
}

template <class Head>
std::string say(const Head& head) {
  return encode(head).value_or(std::string());
}

void token(std::string_view bytes) {
  for (const std::string& text : {std::string(bytes), std::string(kJoinTokenPrefix) + std::string(bytes)}) {
    const auto parsed = parse_join_token(text);
    if (!parsed) continue;
    const auto again = parse_join_token(encode_join_token(*parsed));
    demand(again.has_value() && *again == *parsed);
  }
}

}  // namespace
}  // namespace postern::tunnel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace postern::tunnel;
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 5) {
    case 0:
      same_again(bytes, &decode_deliver, &say<DeliverHead>);
      break;
    case 1:
      same_again(bytes, &decode_result, &say<ResultHead>);
      break;
    case 2:
      same_again(bytes, &decode_goaway, [](const GoAway& goaway) { return encode(goaway); });
      break;
    case 3:
      same_again(bytes, &decode_result_acks, [](const std::vector<ResultAck>& acks) { return encode(acks); });
      break;
    default:
      token(bytes);
  }
  return 0;
}
