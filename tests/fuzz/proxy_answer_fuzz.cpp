#include <cstdint>
#include <cstdlib>

#include "agent/proxy_answer.hpp"

/// What a proxy answers: its end and verdict do not depend on how the bytes are cut, nothing is taken beyond
/// the bound, and what follows the head is never touched.
using namespace postern;
using agent::ProxyAnswer;

namespace {

struct Read {
  ProxyAnswer answer;
  std::size_t used = 0;
};

Read read(std::string_view bytes, std::size_t piece) {
  Read out;
  while (out.used < bytes.size() && out.answer.progress() == http::Progress::more)
    out.used += out.answer.feed(bytes.substr(out.used, piece));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Read whole = read(input, size);
  const Read cut = read(input, 1 + size % 7);
  if (whole.used != cut.used || whole.answer.progress() != cut.answer.progress()) std::abort();
  if (whole.answer.status() != cut.answer.status() || whole.answer.words() != cut.answer.words())
    std::abort();
  if (whole.used > ProxyAnswer::kMost + 1 || whole.answer.words().size() > 100) std::abort();
  if (whole.answer.progress() != http::Progress::done) return 0;
  const std::string_view head = input.substr(0, whole.used);
  if (!head.ends_with("\n\n") && !head.ends_with("\n\r\n")) std::abort();
  if (whole.answer.status() < 200 || whole.answer.status() > 599) std::abort();
  return 0;
}
