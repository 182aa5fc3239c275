#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/http/client_hello.hpp"

/// The first bytes of a connection: more of them never change a verdict, and none is needed beyond the bound.
using namespace postern::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Offer whole = offers_protocol(input, "postern/1");
  for (std::size_t cut = 0; cut < size; cut += 1 + size / 16) {
    const Offer part = offers_protocol(input.substr(0, cut), "postern/1");
    if (part != Offer::more && part != whole) std::abort();
  }
  const std::string filled = std::string(input) + std::string(kMostHello, '\x16');
  if (offers_protocol(filled, "postern/1") == Offer::more) std::abort();
  if (whole == Offer::yes && input.find("postern/1") == std::string_view::npos && size < 64) std::abort();
  return 0;
}
