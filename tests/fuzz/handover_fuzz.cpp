#include <cstdint>
#include <cstdlib>

#include "agent/handover.hpp"

/// What another version of the agent says while it gives its place to this one: frames do not depend on how
/// their bytes are cut, and what is understood is told the same way again.
using namespace postern;
using namespace postern::agent;

namespace {

std::string frames_of(std::string_view bytes, std::size_t piece) {
  HandoverReader reader;
  std::string out;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
    reader.feed(bytes.substr(0, piece));
    while (true) {
      const auto frame = reader.next();
      if (!frame) return out + "!";
      if (!*frame) break;
      out += encode_frame((*frame)->type, (*frame)->payload);
    }
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string whole = frames_of(input, size + 1);
  if (whole != frames_of(input, 1 + size % 5)) std::abort();
  if (!whole.ends_with('!') && !input.starts_with(whole)) std::abort();
  if (const auto ids = decode_ids(input); ids && encode_ids(*ids) != input) std::abort();
  if (const auto acks = decode_acks(input); acks && encode_acks(*acks) != input) std::abort();
  if (const auto generation = decode_generation(input); generation && encode_generation(*generation) != input)
    std::abort();
  if (const auto outcome = decode_outcome(input)) {
    const auto told = encode_outcome(outcome->first, outcome->second);
    if (told && !decode_outcome(*told)) std::abort();
  }
  (void)decode_greeting(input);
  return 0;
}
