// Any bytes, cut anywhere: the same frames come out however they are cut, none over its bound.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "tunnel-proto/frame.hpp"

namespace postern::tunnel {
namespace {

struct Outcome {
  std::string text;  // every frame, in order, in one string
  bool failed = false;
  bool operator==(const Outcome&) const = default;
};

Outcome read(std::string_view wire, std::size_t step) {
  FrameReader reader(kMaxMessage);
  Outcome outcome;
  for (std::size_t at = 0; at < wire.size(); at += step) {
    const std::string copy(wire.substr(at, step));
    std::string_view bytes = copy;
    while (true) {
      const auto item = reader.next(bytes);
      if (!item) {
        outcome.failed = true;
        return outcome;
      }
      if (item->what == FrameReader::What::need_more) break;
      if (item->bytes.size() > kMaxMessage) std::abort();
      if (item->what != FrameReader::What::piece) append_header(outcome.text, item->header);
      outcome.text += item->bytes;
    }
    if (!bytes.empty()) std::abort();
  }
  return outcome;
}

}  // namespace
}  // namespace postern::tunnel

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view wire(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = postern::tunnel::read(wire, wire.size() + 1);
  const auto cut = postern::tunnel::read(wire, 1 + data[0] % 32U);
  if (!(whole == cut)) std::abort();
  return 0;
}
